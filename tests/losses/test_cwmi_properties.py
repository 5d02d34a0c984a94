"""What the complete loss promises of any prediction: what costs, what is chance, what does not depend on the view."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from monai_cwmi import CWMILoss
from monai_cwmi.bands.spec import BandOptions
from monai_cwmi.functional import measure_bands
from monai_cwmi.measures import InformationBound, MutualInformation

BANDS_ALONE: dict[str, Any] = {"lambda_ce": 0.0, "lambda_dice": 0.0, "lambda_mi": 1.0, "lambda_residual": 1.0}
VIEWS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "plane": ((64, 64), {}),
    "small plane": ((16, 20), {}),
    "real bands": ((48, 40), {"is_complex": False}),
    "slices": ((24, 28, 6), {}),
    "planes": ((24, 22, 20), {"slice_dims": (0, 1, 2)}),
    "volume": ((24, 22, 20), {"slice_dims": None}),
    "coarse axis": ((32, 30, 8), {"slice_dims": None, "spacing": (1, 1, 4)}),
}


def blobs(shape: tuple[int, ...], seed: int, count: int = 4, size: float = 2.0) -> Tensor:
    """Binary images ``(count, 1, *shape)`` of smooth blobs, unrelated to those of another seed."""
    noise = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    smooth = [gaussian_filter(image.numpy(), size) > 0 for image in noise]
    return torch.stack([torch.from_numpy(image) for image in smooth])[:, None].double()


def perturbed(target: Tensor) -> dict[str, Tensor]:
    checkerboard = sum(torch.arange(n).reshape(-1, *[1] * i) for i, n in enumerate(reversed(target.shape[2:]))) % 2
    noise = torch.rand(target.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return {
        "checkerboard": (target + 0.1 * (2 * checkerboard - 1)).clamp(0, 1),
        "offset": 0.1 + 0.9 * target,
        "less contrast": 0.1 + 0.8 * target,
        "mirrored": 1 - target,
        "blank": 0 * target,
        "full": 0 * target + 1,
        "grey": 0 * target + 0.5,
        "shifted": target.roll(1, 2),
        "noisy": 0.8 * target + 0.2 * noise,
        "speckled": torch.where(noise < 0.01, 1 - target, target),
        "noise": noise,
    }


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("weights", [{}, BANDS_ALONE])
def test_a_perfect_prediction_is_the_minimum(view: str, weights: dict[str, Any]) -> None:
    shape, options = VIEWS[view]
    target = blobs(shape, 0)
    loss = CWMILoss(**weights, **options, reduction="none")
    best = loss(target, target)
    for name, prediction in perturbed(target).items():
        assert (loss(prediction, target) > best + 1e-3).all(), name


@pytest.mark.parametrize("view", VIEWS)
def test_what_the_levels_cannot_see_costs_in_an_uncertain_prediction(view: str) -> None:
    shape, options = VIEWS[view]
    target = blobs(shape, 0)
    loss = CWMILoss(**BANDS_ALONE, **options, reduction="none")
    blurred = torch.from_numpy(gaussian_filter(target.numpy(), [0, 0, *[0.5] * len(shape)]))
    likely = target.mean() + 0.6 * (blurred - target.mean())
    for name in ("checkerboard", "mirrored"):
        change = perturbed(likely)[name]
        assert (loss(change, target).mean() > loss(likely, target).mean()).all(), name
    for offset in (-0.15, 0.15):
        assert loss((likely + offset).clamp(0, 1), target).mean() > loss(likely, target).mean()


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize(
    "shape", [(n, n) for n in (16, 20, 24, 28, 32, 36, 40, 48, 64, 128, 512)] + [(36, 52), (16, 200), (24, 24, 24)]
)
def test_unrelated_images_have_little_information(shape: tuple[int, ...], is_complex: bool) -> None:
    options = BandOptions(is_complex=is_complex, slice_dims=None, only_comparable=True)
    count = 2 if shape[0] == 512 else 16
    a, b = blobs(shape, 1, count), blobs(shape, 2, count)
    found, most = (
        each.mean((1, 2)) for each in measure_bands(a, b, [MutualInformation(), InformationBound()], options)
    )
    assert len(found) >= 2
    assert (found < 0.1 * most).all()


def test_a_level_without_enough_coefficients_is_left_out() -> None:
    for size, comparable, fitting in ((6, 0, 2), (16, 2, 3), (32, 3, 4), (64, 4, 4)):
        target = blobs((size, size), 0)
        assert len(CWMILoss().terms(target, target)["mutual_information"]) == comparable
        assert len(CWMILoss(levels=[1, 2, 3, 4]).terms(target, target)["mutual_information"]) == fitting


@pytest.mark.parametrize("quality", [0.3, 0.6, 0.9])
def test_information_depends_neither_on_the_view_nor_on_k_nor_on_n(quality: float) -> None:
    # Noise as rough as the target, so that the prediction is as good at each level.
    target = blobs((48, 48, 48), 0, 1, size=1.0)
    noise = blobs((48, 48, 48), 1, 1, size=1.0)
    prediction = quality * target + (1 - quality) * noise
    ways: list[dict[str, Any]] = [
        {"slice_dims": (-1,)},
        {"slice_dims": (0, 1, 2)},
        {"slice_dims": None},
        {"slice_dims": None, "num_orientations": 3},
        {"num_orientations": 2},
        {"num_orientations": 8},
        {"num_levels": 2},
    ]
    values = [CWMILoss(**way).terms(prediction, target)["mutual_information"].mean().item() for way in ways]
    assert max(values) < 1.5 * min(values), values


@pytest.mark.parametrize("view", VIEWS)
def test_single_precision_agrees_with_double(view: str) -> None:
    shape, options = VIEWS[view]
    target = blobs(shape, 0)
    for name, prediction in perturbed(target).items():
        values, gradients = [], []
        for dtype in (torch.float32, torch.float64):
            probabilities = (0.05 + 0.9 * prediction).to(dtype).requires_grad_()
            value = CWMILoss(**options)(probabilities, target)
            values.append(value.double())
            gradients.append(torch.autograd.grad(value, probabilities)[0].double())
        torch.testing.assert_close(*values, rtol=1e-4, atol=1e-4, msg=name)
        error = torch.linalg.vector_norm(gradients[0] - gradients[1]) / torch.linalg.vector_norm(gradients[1])
        assert error < 1e-2, name  # at most 2.5e-3 was found, of predictions that are nearly perfect


@pytest.mark.parametrize("view", VIEWS)
def test_value_and_gradient_are_finite(view: str) -> None:
    shape, options = VIEWS[view]
    for target in (blobs(shape, 0), torch.zeros(1, 1, *shape), torch.ones(1, 1, *shape)):
        for name, prediction in perturbed(target.double()).items():
            probabilities = prediction.float().requires_grad_()
            value = CWMILoss(**options)(probabilities, target)
            (gradient,) = torch.autograd.grad(value, probabilities)
            assert value.isfinite(), name
            assert gradient.isfinite().all(), name
