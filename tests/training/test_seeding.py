from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_cwmi.training import EpochSeeder

from .trainers import STEPS, batches, make_trainer


def run(handlers: Any, start: int = 0, **options: Any) -> Any:
    """Run a trainer from the given epoch to the end of the fourth."""
    trainer = make_trainer(handlers, **options)
    trainer.load_state_dict({"epoch": start, "epoch_length": STEPS, "max_epochs": 4})
    trainer.run()
    return trainer


@pytest.mark.parametrize("start", [1, 3])
def test_an_epoch_is_the_same_wherever_a_run_begins(start: int) -> None:
    whole, later = run([EpochSeeder(0)]), run([EpochSeeder(0)], start, seed=5)
    for epoch in range(start + 1, 5):
        assert torch.equal(batches(later, epoch), batches(whole, epoch))
    assert {epoch for epoch, _ in later.seen} == set(range(start + 1, 5))


def test_without_it_an_epoch_depends_on_those_before() -> None:
    assert not torch.equal(batches(run([]), 4), batches(run([], 3), 4))


def test_epochs_and_seeds_differ() -> None:
    runs = [run([EpochSeeder(seed)]) for seed in (0, 1)]
    seen = [batches(trainer, epoch) for trainer in runs for epoch in range(1, 5)]
    assert len({tuple(images.ravel().tolist()) for images in seen}) == len(seen)
