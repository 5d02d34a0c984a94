from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.networks import one_hot

from cases import PREDICTIONS, targets
from monai_cwmi.losses import RMILoss
from monai_cwmi.losses.region_mutual_information import region_entropy

MULTI_CLASS: dict[str, Any] = {"softmax": True, "to_onehot_y": True}
SHAPES = [(20, 17), (7, 7), (8, 10, 13)]
FLOOR = math.log(5e-4) / 2


def example(shape: tuple[int, ...], channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, max(channels, 2), (2, 1, *shape), generator=generator)
    return torch.randn(2, channels, *shape, generator=generator, dtype=torch.float64, requires_grad=True), labels


def reference(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> float:
    """The paper's bound for one image and class, pixel by pixel; what counts is where the mask is true."""
    shape = prediction.shape
    cells: dict[tuple[int, ...], tuple[float, float]] = {}
    for cell in np.ndindex(*((n - 1) // 3 + 1 for n in shape)):
        members = [
            tuple(3 * c + step - 1 for c, step in zip(cell, steps, strict=True))
            for steps in np.ndindex(*(3,) * len(shape))
        ]
        members = [m for m in members if all(0 <= i < n for i, n in zip(m, shape, strict=True)) and mask[m]]
        if members:
            cells[cell] = max(prediction[m] for m in members), max(target[m] for m in members)
    vectors: list[list[tuple[float, float]]] = []
    for corner in cells:
        places = [tuple(np.add(corner, steps)) for steps in np.ndindex(*(3,) * len(shape))]
        if all(place in cells for place in places):
            vectors.append([cells[place] for place in places])
    size = 3 ** len(shape)
    p, y = np.moveaxis(np.array(vectors).reshape(-1, size, 2), -1, 0)
    p, y = p - p.mean(0), y - y.mean(0)
    ridge = 5e-4 * np.eye(size)
    left_open = y.T @ y - y.T @ p @ np.linalg.inv(p.T @ p + ridge) @ p.T @ y
    return float(np.linalg.slogdet(left_open + ridge)[1] / 2 / size)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_formula_pixel_by_pixel(shape: tuple[int, ...]) -> None:
    logits, labels = example(shape)
    probabilities, target = torch.softmax(logits, 1), one_hot(labels, 3)
    everywhere = np.ones(shape, bool)
    expected = [
        [reference(p.detach().numpy(), y.numpy(), everywhere) for p, y in zip(*pair, strict=True)]
        for pair in zip(probabilities, target, strict=True)
    ]
    found = region_entropy(probabilities, target.double())
    torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=1e-6, atol=0)

    entropy = F.cross_entropy(logits, labels[:, 0], reduction="none").flatten(1).mean(1)
    losses = (entropy + torch.tensor(expected).sum(1)) / 2
    torch.testing.assert_close(RMILoss(**MULTI_CLASS, reduction="none")(logits, labels), losses, rtol=1e-6, atol=0)
    torch.testing.assert_close(RMILoss(**MULTI_CLASS)(logits, labels), losses.mean(), rtol=1e-6, atol=0)
    torch.testing.assert_close(RMILoss(**MULTI_CLASS, reduction="sum")(logits, labels), losses.sum(), rtol=1e-6, atol=0)
    foreground = (entropy + torch.tensor(expected)[:, 1:].sum(1)) / 2
    found = RMILoss(**MULTI_CLASS, include_background=False, reduction="none")(logits, labels)
    torch.testing.assert_close(found, foreground, rtol=1e-6, atol=0)


def test_sigmoid_channels_are_added() -> None:
    logits, labels = example((20, 17))
    target = one_hot(labels, 3)
    found = RMILoss(sigmoid=True, reduction="none")(logits, target)
    alone = [
        RMILoss(sigmoid=True, reduction="none")(logits[:, c : c + 1], target[:, c : c + 1]) for c in range(3)
    ]  # (B,) each
    torch.testing.assert_close(found, torch.stack(alone).sum(0))
    torch.testing.assert_close(RMILoss()(torch.sigmoid(logits), target), found.mean())
    foreground = RMILoss(sigmoid=True, include_background=False, reduction="none")(logits, target)
    torch.testing.assert_close(foreground, alone[1] + alone[2])


@pytest.mark.parametrize("shape", [(20, 17), (16, 10, 13)])
def test_ignored_voxels_do_not_count(shape: tuple[int, ...]) -> None:
    logits, labels = example(shape, 2)
    mask = torch.ones(shape, dtype=torch.bool)
    mask[: shape[0] // 4] = False  # whole cells
    mask[..., 5] = False  # a part of some
    labels = torch.where(mask, labels, 255)
    expected = [
        reference(p.detach().numpy(), y.numpy(), mask.numpy())
        for p, y in zip(torch.softmax(logits, 1)[:, 1], labels[:, 0] == 1, strict=True)
    ]
    entropy = F.cross_entropy(logits, labels[:, 0], ignore_index=255, reduction="none").flatten(1).sum(1) / mask.sum()
    loss = RMILoss(**MULTI_CLASS, include_background=False, ignore_index=255, reduction="none")
    found = loss(logits, labels)
    torch.testing.assert_close(found, (entropy + torch.tensor(expected)) / 2, rtol=1e-6, atol=0)

    spoilt = torch.where(mask, logits, torch.nan).detach().requires_grad_()
    torch.testing.assert_close(loss(spoilt, labels), found)
    (gradient,) = torch.autograd.grad(loss(spoilt, labels).sum(), spoilt)
    assert gradient.isfinite().all()
    assert (gradient * ~mask).abs().max() == 0


@pytest.mark.parametrize("shape", [(10, 13), (10, 10, 11)])
@pytest.mark.parametrize("options", [MULTI_CLASS, {"sigmoid": True, "ignore_index": 5}])
def test_gradient_by_finite_differences(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    logits, labels = example(shape, 2)
    target = labels if "softmax" in options else one_hot(labels, 2)
    if "ignore_index" in options:
        target[..., 0] = 5
    logits = logits[:1].detach().requires_grad_()
    if len(shape) == 3:  # along some directions only: there are many voxels
        directions = torch.randn(3, *logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        steps = torch.zeros(3, 1, 1, 1, 1, 1, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(
            lambda s: RMILoss(**options)(logits.detach() + (s * directions).sum(0), target[:1]), steps
        )
    else:
        assert torch.autograd.gradcheck(lambda x: RMILoss(**options)(x, target[:1]), logits)


@pytest.mark.parametrize("name", targets((20, 23)))
def test_degenerate_targets(name: str) -> None:
    target = targets((20, 23))[name]
    for prediction in PREDICTIONS.values():
        probabilities = prediction(target)[None, None].requires_grad_()
        term = region_entropy(probabilities, target[None, None])
        (gradient,) = torch.autograd.grad(RMILoss()(probabilities, target[None, None]), probabilities)
        assert gradient.isfinite().all()
        # In float64 rounding errors stay far below the ridge: the bound holds.
        assert FLOOR - 1e-5 <= term.item() < math.inf
    if name in {"empty", "full"}:
        assert term.item() == pytest.approx(FLOOR)


def test_a_perfect_prediction_leaves_nothing_open() -> None:
    target = targets((64, 64))["blobs"][None, None]
    perfect, noisy = region_entropy(target, target), region_entropy(0.5 * target + 0.3, target)
    random = region_entropy(torch.rand_like(target), target)
    assert perfect.item() == pytest.approx(FLOOR + math.log(2) / 2, abs=0.05)  # alpha left by the ridge, alpha added
    assert perfect < noisy < random - 1


@pytest.mark.parametrize("shape", [(1, 1), (6, 6), (2, 30), (5, 5, 5), (1, 40, 40)])
def test_images_without_a_neighbourhood_have_cross_entropy_alone(shape: tuple[int, ...]) -> None:
    logits, labels = example(shape)
    loss = RMILoss(**MULTI_CLASS)(logits, labels)
    torch.testing.assert_close(loss, (F.cross_entropy(logits, labels[:, 0]) + 3 * FLOOR) / 2)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.isfinite().all()


def test_images_that_are_ignored_altogether_cost_a_constant() -> None:
    logits, labels = example((20, 17))
    loss = RMILoss(**MULTI_CLASS, ignore_index=255)(logits, torch.full_like(labels, 255))
    assert loss.item() == pytest.approx(3 * FLOOR / 2)
    assert torch.autograd.grad(loss, logits)[0].abs().max() == 0


def test_a_nan_in_the_prediction_shows() -> None:
    logits, labels = example((20, 17))
    logits = logits.detach().clone()
    logits[0, 0, 3, 3] = torch.nan
    values = RMILoss(**MULTI_CLASS, reduction="none")(logits, labels)
    assert values[0].isnan()
    assert values[1].isfinite()


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="RMILoss compares images"):
        RMILoss()(torch.rand(2, 1, 8), torch.ones(2, 1, 8))
    with pytest.raises(ValueError, match="more than 1 of"):
        RMILoss(sigmoid=True, softmax=True)
