"""A trainer that depends on every source of random numbers, and takes no time."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, MeanDice, ValidationHandler, from_engine
from monai.transforms import Compose, Lambdad, RandGaussianNoised
from torch import nn

STEPS = 3


def make_trainer(handlers: Any = (), *, epochs: int = 4, seed: int = 0) -> Any:
    """Five cases, three steps in an epoch; ``trainer.seen`` collects (epoch, batch)."""
    generator = torch.Generator().manual_seed(1)
    cases = [{"image": torch.rand(1, 8, 8, generator=generator)} for _ in range(5)]
    for case in cases:
        case["label"] = (case["image"] > 0.4).float()
    # The noise comes from a MONAI random state, NumPy's, Python's and torch's.
    noise = Compose(
        [
            RandGaussianNoised("image", prob=0.7, std=0.2),
            Lambdad("image", lambda image: image + 0.1 * (random.random() + np.random.rand() + torch.rand(1))),  # noqa: NPY002
        ]
    )
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.2), nn.Conv2d(4, 1, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.8)
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(Dataset(cases)),
        network=network,
        postprocessing=Lambdad("pred", lambda prediction: (prediction > 0).float()),
        key_val_metric={"mean_dice": MeanDice(output_transform=from_engine(["pred", "label"]))},
    )
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=epochs,
        epoch_length=STEPS,
        train_data_loader=DataLoader(Dataset(cases, noise), batch_size=1, shuffle=True),
        network=network,
        optimizer=optimizer,
        loss_function=nn.BCEWithLogitsLoss(),
        train_handlers=[LrScheduleHandler(scheduler, print_lr=False), ValidationHandler(1, evaluator), *handlers],
    )
    trainer.scheduler, trainer.evaluator, trainer.seen = scheduler, evaluator, []

    @trainer.on(Events.GET_BATCH_COMPLETED)
    def remember(engine: Any) -> None:
        trainer.seen.append((engine.state.epoch, engine.state.batch["image"].clone()))

    return trainer


def batches(trainer: Any, epoch: int) -> torch.Tensor:
    """The images of one epoch."""
    return torch.cat([batch for number, batch in trainer.seen if number == epoch])
