from __future__ import annotations

import math

import pytest
import torch

from mapped_losses import EXCLUSIVE, with_maps
from monai_cwmi.losses.adaptive_boundary import ABWLoss

LABEL = torch.tensor([[[[1.0, 0, 0, 0, 0, 0, 0]]]])  # an object six pixels deep


def test_by_hand() -> None:
    loss = ABWLoss(**EXCLUSIVE)(torch.zeros(1, 2, 1, 7).double(), with_maps(ABWLoss, LABEL))
    # Distances 1 to 6, of which the larger of D / 6 and 1 - D / 6 is at most a half from one of the two Gaussians.
    weights = 30 + sum(10 * math.exp(-((2.58 * min(d, 6 - d) / 6) ** 2) / 2) for d in range(1, 7))
    assert loss.item() == pytest.approx(weights * math.log(2) / 7)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_what_the_border_grows_into_is_trained_as_border(channels: int) -> None:
    logits = torch.zeros(1, channels, 1, 7).double().requires_grad_()
    loss = ABWLoss(**({"sigmoid": True} if channels == 1 else EXCLUSIVE))
    (gradient,) = torch.autograd.grad(loss(logits, with_maps(ABWLoss, LABEL)), logits)
    # Descent raises the border's logit in the border and less than half of the object's depth beyond.
    border = gradient[0, min(1, channels - 1), 0]
    assert (border < 0).tolist() == [True, True, True, False, False, False, False]


def test_other_classes_stay_what_they_are_inside() -> None:
    label = torch.where(LABEL == 0, 2.0, 1.0)
    logits = torch.zeros(1, 3, 1, 7).double().requires_grad_()
    (gradient,) = torch.autograd.grad(ABWLoss(**EXCLUSIVE)(logits, with_maps(ABWLoss, label)), logits)
    assert (gradient[0, :, 0] < 0).int().tolist() == [[0] * 7, [1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1]]


@pytest.mark.parametrize("foreground", [-1, 2])
def test_a_foreground_without_a_channel_is_named(foreground: int) -> None:
    with pytest.raises(ValueError, match=rf"^foreground is class {foreground}, but input has 2 channel"):
        ABWLoss(**EXCLUSIVE, foreground=foreground)(torch.zeros(1, 2, 1, 7), with_maps(ABWLoss, LABEL))


@pytest.mark.parametrize("foreground", [-1, 0, 2])
def test_a_single_channel_is_class_1(foreground: int) -> None:
    with pytest.raises(ValueError, match=rf"^foreground is class {foreground}, but input has 1 channel.* is class 1"):
        ABWLoss(sigmoid=True, foreground=foreground)(torch.zeros(1, 1, 1, 7), with_maps(ABWLoss, LABEL))


def test_the_foreground_may_be_another_class() -> None:
    logits = torch.randn(1, 2, 1, 7, generator=torch.Generator().manual_seed(0)).double()
    target = with_maps(ABWLoss, LABEL)
    turned = torch.cat((1 - target[:, :1], target[:, 1:]), 1)
    found = ABWLoss(**EXCLUSIVE, foreground=0)(logits.flip(1), turned)
    torch.testing.assert_close(found, ABWLoss(**EXCLUSIVE)(logits, target))
