"""Training runs that can be taken up again where they stopped."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from monai_cwmi.training.files import save_whole

RUN_FILE = "run.pt"
WEIGHTS_FILE = "model.pt"


def read_run(folder: str | os.PathLike[str], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the state of the unfinished run in a folder, after checking that it may go on there.

    Args:
        folder: where the run keeps its weights and its state.
        settings: what must not change within a run, in plain Python types.

    Returns:
        The state, or None where no run has begun.

    Raises:
        FileExistsError: When the folder holds a finished run, or weights that no run has left there.
        ValueError: When the unfinished run has other settings.

    Example::

        read_run("models/fine_tuned", {"learning_rate": 0.0005})
    """
    path, weights = Path(folder) / RUN_FILE, Path(folder) / WEIGHTS_FILE
    advice = "Give another folder with --ckpt_dir, or delete this one"
    if not path.is_file():
        if weights.exists():
            raise FileExistsError(f"{weights} is there already and is not overwritten. {advice}.")
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state["finished"]:
        raise FileExistsError(f"{folder} holds a finished run, which is not overwritten. {advice}.")
    before = state["settings"]
    changed = [
        f"{name} was {reprlib.repr(before.get(name))} and is {reprlib.repr(settings.get(name))}"
        for name in sorted(before.keys() | settings.keys())
        if before.get(name) != settings.get(name)
    ]
    if changed:
        raise ValueError(
            f"{folder} holds an unfinished run with other settings: {'; '.join(changed)}. Repeat the command of that "
            f"run to continue it. {advice} to start another."
        )
    return state


class RunState:
    """Save all that a run depends on after each epoch, and begin where the last complete epoch ended.

    With :class:`monai_cwmi.training.EpochSeeder`, a run that was killed ends with the same weights as one that was
    not: bit for bit on a CPU. Attach it last, so that the epoch's validation and its schedules are over when it saves.

    Args:
        folder: where the file ``run.pt`` is kept.
        settings: what must not change within a run, in plain Python types.
        evaluator: MONAI's evaluator, whose best metric is part of the state.
        objects: all else with a ``state_dict``, by name: network, optimizer, schedulers.

    Raises:
        FileExistsError: In a run, as :func:`read_run` says.
        ValueError: In a run, as :func:`read_run` says.

    Example::

        RunState("models/fine_tuned", {"seed": 0}, evaluator, {"network": network, "optimizer": optimizer})
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: Mapping[str, Any],
        evaluator: Engine,
        objects: Mapping[str, Any],
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.evaluator = evaluator
        self.objects = objects

    def attach(self, engine: Engine) -> None:
        """Let a MONAI trainer call this when it starts and when an epoch is complete."""
        engine.add_event_handler(Events.STARTED, self.restore)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def restore(self, engine: Engine) -> None:
        """Take up the unfinished run in the folder, if there is one."""
        state = read_run(self.folder, self.settings)
        if state is None:
            # From now on the folder is this run's, even if it is killed in its first epoch.
            self.save(engine)
            return
        for name, item in self._objects(engine).items():
            item.load_state_dict(state["objects"][name])
        engine.load_state_dict(state["trainer"])
        self.evaluator.state.best_metric, self.evaluator.state.best_metric_epoch = state["best"]
        print(f"Continuing the run in {self.folder} after epoch {engine.state.epoch}.")

    def save(self, engine: Engine) -> None:
        """Save the state of the run."""
        best = self.evaluator.state
        state = {
            "finished": bool(engine.should_terminate) or engine.state.epoch == engine.state.max_epochs,
            "settings": dict(self.settings),
            "trainer": dict(engine.state_dict()),
            "best": (float(best.best_metric), best.best_metric_epoch),
            "objects": {name: item.state_dict() for name, item in self._objects(engine).items()},
        }
        save_whole(state, Path(self.folder) / RUN_FILE)

    def _objects(self, engine: Engine) -> dict[str, Any]:
        # Mixed precision scales the gradients by a factor that it adapts.
        return dict(self.objects) | ({"scaler": engine.scaler} if engine.scaler else {})
