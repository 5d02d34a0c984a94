from __future__ import annotations

import math

import pytest
import torch

from mapped_losses import EXCLUSIVE, with_maps
from monai_cwmi.losses.border_weighted_ce import BorderWeightedCELoss

LABEL = torch.tensor([[[[0.0, 0, 1, 0, 0, 0]]]])  # one pixel of border, as far as can be from two objects beside it
MAP = 10 * math.exp(-4 / 50)


def test_by_hand() -> None:
    loss = BorderWeightedCELoss(**EXCLUSIVE)(torch.zeros(1, 2, 1, 6).double(), with_maps(BorderWeightedCELoss, LABEL))
    # Five voxels weigh 1, one 5 and its map; every probability is a half.
    assert loss.item() == pytest.approx((5 * 1 + 5 + MAP) * math.log(2) / 6)


def test_the_border_may_be_class_0_of_a_single_channel() -> None:
    turned = torch.cat((1 - LABEL, with_maps(BorderWeightedCELoss, LABEL)[:, 1:]), 1)
    logits = torch.randn(1, 1, 1, 6, generator=torch.Generator().manual_seed(0)).double()
    loss = BorderWeightedCELoss(sigmoid=True)
    torch.testing.assert_close(loss(-logits, turned), loss(logits, with_maps(BorderWeightedCELoss, LABEL)))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_map_acts_on_the_border_alone(channels: int) -> None:
    logits = torch.randn(1, channels, 1, 6, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    loss = BorderWeightedCELoss(**({"sigmoid": True} if channels == 1 else EXCLUSIVE))
    gradients = []
    for target in (torch.cat((LABEL, torch.zeros_like(LABEL)), 1), with_maps(BorderWeightedCELoss, LABEL)):
        gradients.append(torch.autograd.grad(loss(logits, target), logits)[0])
    plain, weighted = gradients
    expected = plain.clone()
    expected[..., 2] *= (5 + MAP) / 5
    torch.testing.assert_close(weighted, expected)
