from __future__ import annotations

import math

import pytest
import torch

from mapped_losses import EXCLUSIVE, SHAPES, example, with_maps
from monai_cwmi.losses.skea_topo import SkeaTopoLoss

LABEL = torch.zeros(1, 1, 15, 21)
LABEL[..., 5:10, :] = 1  # a border five pixels wide between two objects
TARGET = with_maps(SkeaTopoLoss, LABEL)


def boundary_term(border: torch.Tensor) -> torch.Tensor:
    """Of a prediction ``(H, W)`` that is sure of its border by 0.9."""
    logits = math.log(9) * (2 * border[None, None].double() - 1)
    with_it, without = (SkeaTopoLoss(sigmoid=True, lambda_boundary=weight)(logits, TARGET) for weight in (1.0, 0.0))
    return with_it - without


def test_the_boundary_term_by_hand() -> None:
    border = LABEL[0, 0].clone()
    torch.testing.assert_close(boundary_term(border), torch.tensor(0.1).double())
    border[5:10, 9:12] = 0  # a gap of 15 voxels is critical: 1 - p is 0.9 there
    torch.testing.assert_close(boundary_term(border), torch.tensor((300 * 0.1 + 15 * 0.9) / 315).double())
    border[5:10, 9:12] = 1
    border[5, 9:12] = 0  # a notch is excused: p is 0.1 there
    torch.testing.assert_close(boundary_term(border), torch.tensor(0.1).double())


def test_excused_errors_are_left_alone_and_critical_ones_pulled_back() -> None:
    border = LABEL[0, 0].clone()
    border[5, 9:12] = 0  # a notch
    border[5:10, 15:18] = 0  # a gap
    logits = (2 * border[None, None].double() - 1).requires_grad_()
    gradients = []
    for weight in (1.0, 0.0):
        loss = SkeaTopoLoss(sigmoid=True, lambda_boundary=weight)
        gradients.append(torch.autograd.grad(loss(logits, TARGET), logits)[0])
    gradient = (gradients[0] - gradients[1])[0, 0]  # of the boundary term
    assert (gradient[5, 9:12] > 0).all()
    assert (gradient[5:10, 15:18] < 0).all()


def test_the_weight_may_be_set_between_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = example(SkeaTopoLoss, SHAPES[0], 2)
    loss = SkeaTopoLoss(**EXCLUSIVE)
    values = []
    for weight in (0.0, 1.0, 2.0):
        loss.lambda_boundary = weight
        values.append(loss(logits, target).item())
    assert values[2] - values[1] == pytest.approx(values[1] - values[0])
    assert values[1] > values[0]
    # Without it, nothing is skeletonised.
    monkeypatch.setattr("monai_cwmi.maps.critical_errors.critical_errors", None)
    loss.lambda_boundary = 0.0
    assert loss(logits, target).item() == values[0]
    loss.lambda_boundary = 1.0
    with pytest.raises(TypeError, match="not callable"):
        loss(logits, target)


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_its_range_is_checked(value: float) -> None:
    with pytest.raises(ValueError, match="lambda_boundary must not be negative, and finite"):
        SkeaTopoLoss(lambda_boundary=value)


def test_a_foreground_without_a_channel_is_named() -> None:
    with pytest.raises(ValueError, match=r"^foreground is class 2, but input has 2 channel"):
        SkeaTopoLoss(**EXCLUSIVE, foreground=2)(torch.zeros(1, 2, 15, 21), TARGET)


def test_a_crop_with_no_border_but_what_it_has_grown_by() -> None:
    crop = TARGET[..., 10:, :]  # the row beside the border, and the object
    assert not crop[:, 0].any()
    assert (crop[:, 1] > crop[:, 2]).sum() == 21
    logits = torch.zeros(1, 1, 5, 21).double()
    loss = SkeaTopoLoss(sigmoid=True, lambda_boundary=0)
    assert loss(logits, crop).item() == pytest.approx(math.log(2))
    # The grown row is 21 of 105 voxels; its class weighs four times the other's, and not 84 times.
    logits[..., 0, :] = -1
    wrong, right = math.log(1 + math.e), math.log(2)
    weight = 10 * torch.maximum(crop[0, 1], crop[0, 2]).double() + 1
    weight[0] += 3
    expected = (weight[0].sum() * wrong + weight[1:].sum() * right) / weight.sum()
    assert loss(logits, crop).item() == pytest.approx(float(expected))
