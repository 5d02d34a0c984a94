from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine
from monai.losses import DiceLoss

from monai_cwmi.comparison.cell import _check_classes, _start_later, image_names


def test_names_are_as_short_as_they_can_be() -> None:
    assert image_names([{"image": "x/a.png"}, {"image": "x/b.png"}]) == ["a.png", "b.png"]
    assert image_names([{"image": "x/1/a.png"}, {"image": "x/2/a.png"}]) == ["1/a.png", "2/a.png"]
    assert image_names([{"image": ["x/1/t1.nii", "x/1/t2.nii"]}, {"image": ["x/2/t1.nii"]}]) == ["1/t1.nii", "2/t1.nii"]
    assert image_names([{"image": "a.png"}, {"image": "a.png"}]) == ["a.png", "a.png"]


def test_an_attribute_that_starts_later() -> None:
    loss = DiceLoss(smooth_nr=0.7)
    seen: list[tuple[int, float]] = []
    trainer = Engine(lambda engine, batch: seen.append((engine.state.epoch, loss.smooth_nr)))
    _start_later(loss, "smooth_nr", 0.5 * 4).attach(trainer)
    trainer.run([0], max_epochs=4)
    assert seen == [(1, 0.0), (2, 0.0), (3, 0.7), (4, 0.7)]


def _batch(channels: int, predicted: torch.Tensor | list[torch.Tensor]) -> Engine:
    engine = Engine(lambda engine, batch: None)
    engine.state.output = {"label": torch.zeros(2, channels, 8, 8), "pred": predicted}
    return engine


@pytest.mark.parametrize("predicted", [torch.zeros(2, 3, 8, 8), [torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 4, 4)]])
def test_classes_that_may_overlap_cannot_be_scored(predicted: torch.Tensor | list[torch.Tensor]) -> None:
    batch = _batch(3, predicted)
    with pytest.raises(ValueError, match="labels have 3 channels, each with a sigmoid of its own"):
        _check_classes(batch, foreground=1, loss=DiceLoss(sigmoid=True), num_maps=0)
    _check_classes(batch, foreground=1, loss=DiceLoss(softmax=True), num_maps=0)
    _check_classes(batch, foreground=1, loss=DiceLoss(sigmoid=True), num_maps=2)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_foreground_that_the_bundle_has_not(channels: int) -> None:
    batch = _batch(1, torch.zeros(2, channels, 8, 8))
    _check_classes(batch, foreground=1, loss=DiceLoss(sigmoid=True), num_maps=0)
    with pytest.raises(ValueError, match="foreground is 2, but the bundle has 2 classes"):
        _check_classes(batch, foreground=2, loss=DiceLoss(sigmoid=True), num_maps=0)
