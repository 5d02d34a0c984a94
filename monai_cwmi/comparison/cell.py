"""One cell of a comparison: a loss trained on one fold with one seed, and the scores of the model."""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from monai.engines.utils import IterationEvents
from monai.handlers import ParamSchedulerHandler
from monai.networks.utils import get_state_dict
from monai.utils import optional_import, set_determinism
from torch.utils.data import RandomSampler

from monai_cwmi.comparison.bundle_config import TRAINING_DATA, TRAINING_TRANSFORM, VALIDATION_DATA
from monai_cwmi.comparison.catalogue import unwrapped
from monai_cwmi.comparison.cell_files import COSTS, EXAMPLE, ROWS, WEIGHTS
from monai_cwmi.comparison.scoring import as_classes, class_indices, score
from monai_cwmi.comparison.trained_bundle import open_bundle
from monai_cwmi.comparison.training_spec import Training
from monai_cwmi.losses import SCNPLoss
from monai_cwmi.training import EpochSeeder, KeepBest

resource, _ON_UNIX = optional_import("resource")


def run_cell(folder: Path) -> None:
    """Train, keep the epoch with the best validation, and score its predictions for the test section.

    Args:
        folder: Holds ``cell.json``; receives ``rows.csv``, ``costs.json`` and ``example.npz``.
    """
    training = Training.read(folder)
    torch.set_num_threads(training.threads)
    costs = _train(training, folder)
    rows, example = _test(training, folder)
    (folder / WEIGHTS).unlink(missing_ok=True)
    np.savez_compressed(folder / EXAMPLE, **example, seed=training.seed, fold=training.fold)
    key = {"loss": training.loss, "seed": training.seed, "fold": training.fold}
    pd.DataFrame([key | row for row in rows]).to_csv(folder / ROWS, index=False)
    (folder / COSTS).write_text(json.dumps(key | costs, indent=1) + "\n")


def _train(training: Training, folder: Path) -> dict[str, Any]:
    overrides = {
        TRAINING_DATA: training.sections["training"],
        VALIDATION_DATA: training.sections["validation"],
        training.loss_id: training.loss_config,
    }
    workflow = open_bundle(training.bundle, overrides)
    if training.maps:
        own = workflow.parser.get(TRAINING_TRANSFORM)
        target = "monai_cwmi.comparison.trained_bundle.with_maps"
        workflow.parser[TRAINING_TRANSFORM] = {"_target_": target, "transform": own, "maps": training.maps}
        workflow.initialize()
    set_determinism(training.seed)
    for name in ("network_def", "network"):  # first of all: a loss may draw random numbers when it is made
        if name in workflow.parser:
            workflow.parser.get_parsed_content(name)
    trainer, evaluator = workflow.trainer, workflow.evaluator
    if isinstance(getattr(evaluator.data_loader, "sampler", None), RandomSampler):
        raise ValueError("validate#dataloader shuffles the images, so nobody could say which prediction is whose.")
    record = _Record(trainer)
    EpochSeeder(training.seed).attach(trainer)
    loss = workflow.parser.get_parsed_content(training.loss_id)
    check = partial(_check_classes, foreground=training.foreground, loss=loss, num_maps=len(training.maps))
    trainer.add_event_handler(IterationEvents.FORWARD_COMPLETED, check)
    own = loss.loss if isinstance(loss, SCNPLoss) else loss
    for attribute, epochs in training.starts.items():
        _start_later(own, attribute, epochs * trainer.state.max_epochs if epochs < 1 else epochs).attach(trainer)
    KeepBest(evaluator, trainer.network, folder / WEIGHTS, patience=sys.maxsize).attach(trainer)
    workflow.run()
    workflow.finalize()
    is_best = (folder / WEIGHTS).exists()
    if not is_best:  # too short a training to be validated
        torch.save(get_state_dict(trainer.network), folder / WEIGHTS)
    return record.costs() | {
        "best_epoch": evaluator.state.best_metric_epoch if is_best else trainer.state.epoch,
        "validation": float(evaluator.state.best_metric) if is_best else None,
        "epochs": trainer.state.epoch,
        "device": str(trainer.state.device),
        "threads": training.threads,
    }


class _Record:
    """What a training costs, and digests of its first weights and of the first batch of each epoch."""

    def __init__(self, trainer: Engine) -> None:
        self.trainer = trainer
        self.times: list[float] = []
        self.start = self.last = 0.0
        self.weights = _digest(hashlib.sha256(), *get_state_dict(trainer.network).values()).hexdigest()
        self.batches = hashlib.sha256()
        trainer.add_event_handler(Events.EPOCH_STARTED, self._begin)
        trainer.add_event_handler(IterationEvents.FORWARD_COMPLETED, self._see_batch)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._look_at_clock)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self._end)

    def costs(self) -> dict[str, Any]:
        # The first epoch makes tables and compiles kernels.
        times = self.times[1:] or self.times
        if self.trainer.state.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.trainer.state.device) / 2**20
        elif not _ON_UNIX:
            peak = None
        else:
            unit = 2**20 if sys.platform == "darwin" else 2**10
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        return {
            "seconds_per_epoch": statistics.median(times),
            "peak_memory_mib": peak,
            "weights_digest": self.weights[:16],
            "batches_digest": self.batches.hexdigest()[:16],
        }

    def _begin(self) -> None:
        self.start = time.perf_counter()

    def _end(self) -> None:
        self.times.append(self.last - self.start)  # validation comes between

    def _see_batch(self, engine: Engine) -> None:
        if (engine.state.iteration - 1) % engine.state.epoch_length == 0:
            _digest(self.batches, engine.state.output["image"])

    def _look_at_clock(self, engine: Engine) -> None:
        if engine.state.iteration % engine.state.epoch_length == 0 and engine.state.device.type == "cuda":
            torch.cuda.synchronize(engine.state.device)  # what is still to be computed is a cost of this epoch
        self.last = time.perf_counter()


def _test(training: Training, folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    cases = training.sections["test"]
    workflow = open_bundle(training.bundle, {VALIDATION_DATA: cases, training.loss_id: training.loss_config})
    evaluator = workflow.evaluator
    evaluator.network.load_state_dict(torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True))
    ignore_index = unwrapped(training.loss_config).get("ignore_index")
    names = image_names(cases)
    rows: list[dict[str, Any]] = []
    example: dict[str, Any] = {}

    def count_channels(engine: Engine) -> None:
        engine.state.num_classes = _count_classes(engine.state.output["pred"])

    def keep(engine: Engine) -> None:
        for output in engine.state.output:
            prediction, target = (_plain(output[key]) for key in ("pred", "label"))
            scored = as_classes(prediction, target, engine.state.num_classes, ignore_index)
            scores = score(scored, foreground=training.foreground, component_value=training.component_value)
            name = names[len(rows)]
            rows.append({"image": name, **scores})
            if not example:
                classes, truth = class_indices(scored)
                image = _plain(output["image"]).numpy().astype(np.float32)
                example.update(image=image, target=truth, prediction=classes, name=name)

    evaluator.add_event_handler(IterationEvents.FORWARD_COMPLETED, count_channels)
    evaluator.add_event_handler(Events.ITERATION_COMPLETED, keep)
    evaluator.run()
    if len(rows) != len(cases):
        raise RuntimeError(f"The evaluator gave {len(rows)} predictions for {len(cases)} images of the test section.")
    return rows, example


def image_names(cases: list[dict[str, Any]]) -> list[str]:
    """A short name for each case: that of its image's file, with its folders where others have the same."""
    paths = [Path(image[0] if isinstance(image := case["image"], list) else image) for case in cases]
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths) and depth < max(len(path.parts) for path in paths):
        depth += 1
    return [Path(*path.parts[-depth:]).as_posix() for path in paths]


def _check_classes(engine: Engine, foreground: int, loss: torch.nn.Module, num_maps: int) -> None:
    """See by the first batch, and not after the training, whether its predictions can be scored."""
    label, predicted = engine.state.output["label"], engine.state.output["pred"]
    classes = _count_classes(predicted[0] if isinstance(predicted, (list, tuple)) else predicted)
    if foreground >= classes:
        raise ValueError(f"foreground is {foreground}, but the bundle has {classes} classes.")
    if label.shape[1] > 1 and not num_maps and getattr(loss, "sigmoid", False):
        raise ValueError(
            f"The bundle's labels have {label.shape[1]} channels, each with a sigmoid of its own. A comparison needs "
            "classes of which each pixel has one: softmax, or a single channel."
        )


def _count_classes(prediction: torch.Tensor) -> int:
    return max(prediction.shape[1], 2)  # one channel is one class and its background


def _start_later(loss: torch.nn.Module, attribute: str, epochs: float) -> ParamSchedulerHandler:
    value = getattr(loss, attribute)

    def schedule(current_step: int) -> float:
        return value if current_step > epochs else 0.0

    setter = partial(setattr, loss, attribute)
    return ParamSchedulerHandler(setter, schedule, {}, epoch_level=True, event=Events.EPOCH_STARTED)


def _digest(digest: Any, *tensors: torch.Tensor) -> Any:
    for tensor in tensors:
        digest.update(_plain(tensor).contiguous().numpy().tobytes())
    return digest


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor).detach().cpu()
