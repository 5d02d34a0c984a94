from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events

from monai_cwmi.training import EpochSeeder, KeepBest, RunState, read_run

from .trainers import STEPS, make_trainer

SETTINGS = {"learning_rate": 0.02, "class_names": ["background", "liver"], "ckpt": None}


class Killed(BaseException):
    pass


def resumable(folder: Path, patience: int = 10, **options: Any) -> Any:
    """A trainer whose run is kept in a folder."""
    trainer = make_trainer([EpochSeeder(0)], **options)
    objects = {"network": trainer.network, "optimizer": trainer.optimizer, "scheduler": trainer.scheduler}
    KeepBest(trainer.evaluator, trainer.network, folder / "model.pt", patience).attach(trainer)
    RunState(folder, SETTINGS, trainer.evaluator, objects).attach(trainer)
    return trainer


def kill_at(trainer: Any, iteration: int) -> None:
    @trainer.on(Events.ITERATION_COMPLETED(once=iteration))
    def kill() -> None:
        raise Killed

    with pytest.raises(Killed):
        trainer.run()


def leaves(content: Any) -> list[Any]:
    """All that a nested structure holds, tensors as lists."""
    if isinstance(content, dict):
        return [leaf for key in sorted(content, key=str) for leaf in [key, *leaves(content[key])]]
    if isinstance(content, (list, tuple)):
        return [leaf for item in content for leaf in leaves(item)]
    return [content.tolist()] if isinstance(content, torch.Tensor) else [content]


def files(folder: Path) -> list[Any]:
    return [leaves(torch.load(folder / name, weights_only=True)) for name in ("run.pt", "model.pt")]


@pytest.mark.parametrize("stops", [[1], [5], [6], [7], [2, 5, 8], [11]])
def test_a_killed_run_ends_as_one_that_was_not(tmp_path: Path, stops: list[int]) -> None:
    whole = resumable(tmp_path / "whole")
    whole.run()
    for number, stop in enumerate(stops):
        kill_at(resumable(tmp_path / "parts", seed=number and 7), stop)  # the weights it began with are kept as well
    last = resumable(tmp_path / "parts", seed=9)
    last.run()
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    assert last.evaluator.state.best_metric == whole.evaluator.state.best_metric
    assert min(epoch for epoch, _ in last.seen) == (stops[-1] - 1) // STEPS + 1


def test_a_resumed_run_keeps_an_earlier_best(tmp_path: Path) -> None:
    trainer = resumable(tmp_path)
    kill_at(trainer, 4)
    state = torch.load(tmp_path / "run.pt", weights_only=True)
    state["best"] = (2.0, 1)  # as if the first epoch had been better than any other can be
    torch.save(state, tmp_path / "run.pt")
    before = leaves(torch.load(tmp_path / "model.pt", weights_only=True))
    resumable(tmp_path).run()
    assert leaves(torch.load(tmp_path / "model.pt", weights_only=True)) == before


def test_a_killed_run_says_where_it_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kill_at(resumable(tmp_path), 2 * STEPS + 1)
    resumable(tmp_path).run()
    assert f"Continuing the run in {tmp_path} after epoch 2.\n" in capsys.readouterr().out


@pytest.mark.parametrize(("best", "patience", "last"), [(-1.0, 10, 4), (2.0, 1, 3)])
def test_a_finished_run_is_not_overwritten(tmp_path: Path, best: float, patience: int, last: int) -> None:
    kill_at(resumable(tmp_path), 2 * STEPS)
    state = torch.load(tmp_path / "run.pt", weights_only=True)
    state["best"] = (best, 2)  # as good as none, or too good to be reached
    torch.save(state, tmp_path / "run.pt")
    trainer = resumable(tmp_path, patience)
    trainer.run()
    assert trainer.state.epoch == last
    before = files(tmp_path)
    with pytest.raises(FileExistsError, match=r"holds a finished run.*--ckpt_dir"):
        read_run(tmp_path, SETTINGS)
    with pytest.raises(FileExistsError):
        resumable(tmp_path).run()
    assert files(tmp_path) == before


def test_other_settings_are_named(tmp_path: Path) -> None:
    kill_at(resumable(tmp_path), 4)
    read_run(tmp_path, SETTINGS)
    changed = SETTINGS | {"learning_rate": 0.1, "seed": 3}
    with pytest.raises(ValueError, match=r"learning_rate was 0\.02 and is 0\.1; seed was None and is 3\. Repeat"):
        read_run(tmp_path, changed)


def test_weights_of_another_origin_are_not_overwritten(tmp_path: Path) -> None:
    assert read_run(tmp_path, SETTINGS) is None
    (tmp_path / "model.pt").touch()
    with pytest.raises(FileExistsError, match=r"model\.pt is there already and is not overwritten"):
        read_run(tmp_path, SETTINGS)
