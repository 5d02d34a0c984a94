from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from monai.networks import one_hot
from skimage.metrics import structural_similarity

from cases import PREDICTIONS, targets
from monai_cwmi import CWMILoss, SteerablePyramid
from monai_cwmi.bands.filters import band_filters, fft_frequencies
from monai_cwmi.functional import mutual_information
from monai_cwmi.losses import SubbandDistanceLoss
from monai_cwmi.losses.band_loss import BandLoss
from monai_cwmi.losses.preparation import Preparation
from monai_cwmi.measures.distances import Distance

DISTANCES: list[Distance] = ["l1", "l2", "ssim"]
MULTI_CLASS: dict[str, Any] = {"softmax": True, "to_onehot_y": True}
LOOKS: list[tuple[tuple[int, ...], dict[str, Any]]] = [  # shapes, and how they are compared
    ((40, 37), {}),
    ((20, 17, 18), {}),
    ((20, 17, 18), {"slice_dims": (0, 1, 2)}),
    ((20, 17, 18), {"slice_dims": None}),
]


def example(shape: tuple[int, ...], channels: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, max(channels, 2), (2, 1, *shape), generator=generator)
    return torch.randn(2, channels, *shape, generator=generator, dtype=torch.float64, requires_grad=True), labels


def ablation(which: Any, **options: Any) -> BandLoss:
    """The loss with that distance or of that level."""
    if which in DISTANCES:
        return SubbandDistanceLoss(distance=which, **options)
    off: dict[str, Any] = {"lambda_dice": 0, "lambda_residual": 0, "weight": None, "gate": False}
    on: dict[str, Any] = {"levels": [which], "lambda_mi": 1}
    return CWMILoss(**on | off | options)


def distances(loss: SubbandDistanceLoss, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """What a loss adds to cross-entropy, ``(B, C)``, for probabilities ``(B, C, spatial)``."""
    alone = copy.copy(loss)
    alone.lambda_ce, alone.lambda_distance, alone.reduction = 0.0, 1.0, "none"
    alone.prepare = Preparation()
    return alone(prediction, target)


def full_bands(image: np.ndarray, level: int, orientations: int, is_complex: bool) -> np.ndarray:
    """Bands ``(K, spatial)`` on the image's own grid, as large as they are in the image."""
    frequencies = tuple(fft_frequencies(n) for n in image.shape)
    spacing = (1.0,) * image.ndim
    filters = band_filters(frequencies, image.shape, level, orientations, is_complex, "centred", spacing)
    bands = np.fft.ifftn(np.fft.fftn(image) * filters.numpy(), axes=range(-image.ndim, 0))
    scale = math.sqrt(orientations / (2 if is_complex else 1))
    return scale * (bands if is_complex else bands.real)


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize(("shape", "orientations"), [((40, 37), 4), ((32, 64), 3), ((24, 16, 20), 6)])
def test_l2_is_the_mean_square_on_the_full_grid(shape: tuple[int, ...], orientations: int, is_complex: bool) -> None:
    logits, labels = example(shape, 1)
    p, y = torch.sigmoid(logits), labels.double()
    pyramid: dict[str, Any] = {"num_orientations": orientations, "is_complex": is_complex, "num_levels": 3}
    expected = [
        sum(
            np.square(np.abs(full_bands(d, level, orientations, is_complex))).mean() for level in range(1, 4)
        )  # by Parseval's theorem it is the same on the level's own grid
        for d in (p - y).detach()[:, 0].numpy()
    ]
    found = distances(SubbandDistanceLoss(distance="l2", slice_dims=None, **pyramid), p, y)
    torch.testing.assert_close(found[:, 0], torch.tensor(expected), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("shape", "slice_dims"), [((32, 48), (-1,)), ((16, 24, 20), None)])
def test_l2_of_all_levels_is_the_mean_square_but_for_residuals(
    shape: tuple[int, ...], slice_dims: tuple[int, ...] | None
) -> None:
    logits, labels = example(shape, 1)
    p, y = torch.sigmoid(logits), labels.double()
    highpass, bands, lowpass = SteerablePyramid(spatial_dims=len(shape))((p - y).detach())
    high = highpass.square().flatten(1).mean(1)
    # The last level's grid holds larger numbers, as bands do.
    low = lowpass.square().flatten(1).sum(1) / (math.prod(shape) * 2 ** (len(shape) * len(bands)))
    found = distances(SubbandDistanceLoss(distance="l2", slice_dims=slice_dims), p, y)
    expected = (p - y).square().flatten(1).mean(1) - high - low
    torch.testing.assert_close(found[:, 0], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("shape", [(32, 48), (16, 24, 20)])
@pytest.mark.parametrize("distance", DISTANCES)
def test_the_formulas_at_level_1(distance: Distance, shape: tuple[int, ...], is_complex: bool) -> None:
    logits, labels = example(shape, 1)
    p, y = torch.sigmoid(logits), labels.double()
    orientations = 4 if len(shape) == 2 else 3
    pyramid: dict[str, Any] = {"num_orientations": orientations, "is_complex": is_complex, "num_levels": 1}
    found = distances(SubbandDistanceLoss(distance=distance, slice_dims=None, **pyramid), p, y)
    for image in range(2):
        bands = [full_bands(v.detach()[image, 0].numpy(), 1, orientations, is_complex) for v in (p, y)]
        values = []
        for a, b in zip(*bands, strict=True):
            if distance == "ssim":
                how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
                values.append(1 - structural_similarity(np.abs(a), np.abs(b), **how))
            else:
                power = 1 if distance == "l1" else 2
                values.append(np.mean([abs(x - z) ** power for x, z in zip(a.flat, b.flat, strict=True)]))
        # MONAI's SSIM computes in float32.
        assert found[image, 0].item() == pytest.approx(np.mean(values), rel=1e-4 if distance == "ssim" else 1e-9)


@pytest.mark.parametrize(("distance", "tolerance"), [("l1", 1.02), ("l2", 1 + 1e-9), ("ssim", 1.1)])
def test_the_number_of_orientations_hardly_matters(distance: Distance, tolerance: float) -> None:
    # The energy of a level, and so l2, is that of the image's; the others depend on how it is shared out.
    logits, labels = example((64, 64), 1)
    p = torch.sigmoid(logits).detach()
    losses = [SubbandDistanceLoss(distance=distance, num_orientations=k) for k in (2, 4, 12)]
    values = [distances(loss, p, labels).mean().item() for loss in losses]
    assert max(values) <= tolerance * min(values)


@pytest.mark.parametrize(("shape", "options"), LOOKS)
@pytest.mark.parametrize("distance", DISTANCES)
def test_likeness_is_rewarded(distance: Distance, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    _, labels = example(shape)
    coarse = F.interpolate(labels[..., ::4, ::4].double() if len(shape) == 2 else labels.double(), size=shape)
    logits = (2 * coarse - 1).detach()
    target = coarse.long()
    loss = SubbandDistanceLoss(distance=distance, sigmoid=True, lambda_ce=0, **options)
    near, far = (loss(scale * logits, target) for scale in (4, 1))
    perfect = SubbandDistanceLoss(distance=distance, lambda_ce=0, **options)(coarse, target)
    assert perfect.item() == pytest.approx(0, abs=1e-6)
    assert perfect < near < far
    assert far < loss(logits + 5 * torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)), target)


@pytest.mark.parametrize("distance", DISTANCES)
def test_it_is_cross_entropy_and_distances(distance: Distance) -> None:
    logits, labels = example((40, 37), 3)
    loss = SubbandDistanceLoss(distance=distance, **MULTI_CLASS, lambda_ce=0.7, lambda_distance=0.3)
    apart = distances(loss, torch.softmax(logits, 1), one_hot(labels, 3)).mean()
    torch.testing.assert_close(loss(logits, labels), 0.7 * F.cross_entropy(logits, labels[:, 0]) + 0.3 * apart)


@pytest.mark.parametrize("distance", DISTANCES)
def test_volumes_are_means_over_all_slices(distance: Distance) -> None:
    logits, labels = example((20, 17, 6), 1)
    labels[..., 2] = 0  # a false alarm in an empty slice has its distance
    p = torch.sigmoid(logits)
    slices = [
        distances(SubbandDistanceLoss(distance=distance), p[..., i], labels[..., i]) for i in range(p.shape[-1])
    ]  # (B, C) each
    found = distances(SubbandDistanceLoss(distance=distance), p, labels)
    torch.testing.assert_close(found, torch.stack(slices).mean(0))
    first = distances(SubbandDistanceLoss(distance=distance, slice_dims=(0,)), p.movedim(-1, 2), labels.movedim(-1, 2))
    torch.testing.assert_close(first, found)


@pytest.mark.parametrize(("shape", "options"), LOOKS)
@pytest.mark.parametrize("distance", DISTANCES)
def test_ignored_voxels_may_hold_anything(distance: Distance, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    logits, labels = example(shape)
    labels[:, :, 3:6] = 255
    spoilt = logits.detach().clone()
    spoilt[:, :, 3:6] = torch.nan
    spoilt.requires_grad_()
    loss = SubbandDistanceLoss(distance=distance, **MULTI_CLASS, ignore_index=255, **options)
    torch.testing.assert_close(loss(spoilt, labels), loss(logits, labels))
    (gradient,) = torch.autograd.grad(loss(spoilt, labels), spoilt)
    assert gradient.isfinite().all()
    assert gradient[:, :, 3:6].abs().max() == 0
    # Both images are 0 there, so a prediction that is perfect elsewhere has no distance.
    perfect = torch.where(labels == 255, 0.3, (labels == 1).double())
    alone = SubbandDistanceLoss(distance=distance, lambda_ce=0, ignore_index=255, **options)
    assert alone(perfect, labels).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shape", [(9, 8), (6, 5, 5)])
@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_gradient_by_finite_differences(distance: Distance, shape: tuple[int, ...]) -> None:
    logits, labels = example(shape, 1)
    loss = SubbandDistanceLoss(distance=distance, sigmoid=True, slice_dims=None)
    logits = logits[:1].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, labels[:1]), logits)


@pytest.mark.parametrize("shape", [(20, 24), (12, 12, 14)])
def test_gradient_of_ssim_by_differences_as_large_as_single_precision_needs(shape: tuple[int, ...]) -> None:
    logits, labels = example(shape, 1)
    loss = SubbandDistanceLoss(distance="ssim", sigmoid=True, slice_dims=None)
    (gradient,) = torch.autograd.grad(loss(logits, labels), logits)
    for seed in range(3):
        direction = torch.randn(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        direction = (direction + 30 * gradient / gradient.norm()).detach()
        above, below = (loss(logits + step * direction, labels).item() for step in (1e-2, -1e-2))
        assert (gradient * direction).sum().item() == pytest.approx((above - below) / 2e-2, rel=1e-2)


@pytest.mark.parametrize("name", targets((37, 50)))
@pytest.mark.parametrize("which", [*DISTANCES, 1, 3])
def test_degenerate_targets(which: Any, name: str) -> None:
    target = targets((37, 50))[name]
    loss = ablation(which)
    for prediction in PREDICTIONS.values():
        probabilities = prediction(target)[None, None].requires_grad_()
        value = loss(probabilities, target[None, None])
        (gradient,) = torch.autograd.grad(value, probabilities)
        assert value.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (1, 1, 1)])
@pytest.mark.parametrize("which", [*DISTANCES, 1])
def test_images_without_a_level_have_cross_entropy_alone(which: Any, shape: tuple[int, ...]) -> None:
    logits, labels = example(shape, 3)
    loss = ablation(which, **MULTI_CLASS, lambda_ce=1.0)(logits, labels)
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels[:, 0]))
    assert torch.autograd.grad(loss, logits)[0].isfinite().all()


@pytest.mark.parametrize(("shape", "options"), LOOKS)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_single_level_is_that_of_all(level: int, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    logits, labels = example(shape)
    loss = ablation(level, lambda_ce=0, **MULTI_CLASS, **options)
    information = mutual_information(torch.softmax(logits, 1), one_hot(labels, 2), **options)  # (N, B, C)
    num_orientations = 6 if len(shape) == 3 and loss.options.slice_dims is None else 4
    torch.testing.assert_close(loss(logits, labels), -information[level - 1].mean() / num_orientations)


def test_information_is_the_mean_of_levels() -> None:
    logits, labels = example((64, 64), 3)
    parts = [ablation(n, lambda_ce=0, **MULTI_CLASS)(logits, labels) for n in (1, 2, 3, 4)]
    whole = ablation(1, levels=None, lambda_ce=0, **MULTI_CLASS)(logits, labels)
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


@pytest.mark.parametrize("spacing", [(1.0, 2.5), "affine"])
@pytest.mark.parametrize("distance", DISTANCES)
def test_spacing_counts(distance: Distance, spacing: Any) -> None:
    logits, labels = example((40, 36), 1)
    affine = torch.diag(torch.tensor([1.0, 2.5, 1.0]))
    target = MetaTensor(labels, affine=affine)
    even, uneven = (
        SubbandDistanceLoss(distance=distance, sigmoid=True, spacing=s)(logits, target) for s in (None, spacing)
    )
    assert abs((even - uneven).item()) > 1e-3


@pytest.mark.parametrize("which", [*DISTANCES, 2])
def test_autocast_changes_nothing(which: Any) -> None:
    logits, labels = example((40, 37))
    half = logits.bfloat16()
    loss = ablation(which, **MULTI_CLASS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(MetaTensor(half), MetaTensor(labels))
    assert type(found) is torch.Tensor
    torch.testing.assert_close(found, loss(half.float(), labels))


def test_distances_differ() -> None:
    logits, labels = example((40, 37))
    values = [SubbandDistanceLoss(distance=d, **MULTI_CLASS)(logits, labels).item() for d in DISTANCES]
    assert all(abs(a - b) > 1e-2 for a, b in itertools.combinations(values, 2))


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match=r"distance must be one of \('l1', 'l2', 'ssim'\), got 'l3'"):
        SubbandDistanceLoss(distance="l3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="lambda_distance must not be negative"):
        SubbandDistanceLoss(distance="l1", lambda_distance=-1)
    volumes = SubbandDistanceLoss(distance="l1", slice_dims=None, num_orientations=4, **MULTI_CLASS)
    with pytest.raises(ValueError, match="num_orientations must be 3 or 6 in three dimensions"):
        volumes(*example((8, 8, 8)))


@pytest.mark.parametrize("levels", [[], [0], [5], [2, 2]])
def test_levels_that_do_not_exist_are_named(levels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"levels must be different numbers from 1 to num_levels = 4, got \["):
        CWMILoss(levels=levels)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_distance_is_a_term_of_its_own_name(distance: Distance) -> None:
    logits, labels = example((40, 37), 3)
    loss = SubbandDistanceLoss(distance=distance, **MULTI_CLASS, reduction="none")
    terms = loss.terms(logits, labels)
    assert list(terms) == ["cross_entropy", "dice", f"{distance}_distance"]
    assert terms[f"{distance}_distance"].min() > 0  # a distance, not less it
    expected = terms["cross_entropy"] + terms[f"{distance}_distance"].sum(0)
    torch.testing.assert_close(loss(logits, labels), expected)
