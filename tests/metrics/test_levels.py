from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from monai_cwmi import SteerablePyramid
from monai_cwmi.bands.independence import independent_coefficients
from monai_cwmi.bands.spec import PyramidSpec
from monai_cwmi.bands.spectral import spectral_moments
from monai_cwmi.functional import mutual_information
from monai_cwmi.metrics import information_by_level, structure_sizes

ALPHA = 5e-4  # the ridge of the loss


def discs(*shape: int, seed: int = 0) -> np.ndarray:
    """A mask of some balls of different sizes."""
    generator = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    mask = np.zeros(shape)
    for _ in range(6):
        centre, radius = generator.uniform(0, shape), generator.uniform(2, min(shape) / 4)
        mask[np.linalg.norm(places - centre, axis=-1) < radius] = 1
    return mask


def tensor(array: np.ndarray) -> Tensor:
    """``(1, 1, spatial)``."""
    return torch.from_numpy(array.astype(np.float64))[None, None]


def spec_of(dims: int, levels: int, **options: Any) -> PyramidSpec:
    orientations = options.get("num_orientations", 4 if dims == 2 else 6)
    spacing = tuple(options.get("spacing", (1.0,) * dims))
    return PyramidSpec(levels, orientations, options.get("is_complex", True), "centred", spacing)


def energies(prediction: np.ndarray, target: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """What ridge regression on the bands explains of the target's energy beyond chance, and all of it, by level."""
    pyramid = SteerablePyramid(spatial_dims=target.ndim, **options)
    pair_of_levels = list(zip(*(pyramid(torch.from_numpy(i)).bands for i in (prediction, target)), strict=True))
    explained: list[float] = []
    total: list[float] = []
    for bands in pair_of_levels:
        p, y = (band.flatten(1).numpy().T for band in bands)  # (pixels, K)
        if target.ndim == 3 and np.iscomplexobj(p):  # real and imaginary part as bands, of the energy of both
            p, y = (np.sqrt(2) * np.hstack((band.real, band.imag)) for band in (p, y))
        total.append((abs(y) ** 2).sum())
        count = p.shape[1]
        p, y = np.vstack((p, math.sqrt(ALPHA) * np.eye(count))), np.vstack((y, np.zeros((count, count))))
        rest = y - p @ np.linalg.lstsq(p, y, rcond=None)[0]
        unexplained = (abs(rest) ** 2).sum()
        coefficients = independent_coefficients(target.shape, spec_of(target.ndim, len(pair_of_levels), **options))
        independent = coefficients[len(explained) + 1]
        explained.append(total[-1] - unexplained * independent / (independent - count))
    return np.array(explained), np.array(total)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((64, 72), {}),
        ((64, 48), {"num_orientations": 6, "is_complex": False, "num_levels": 3}),
        ((65, 60), {"spacing": (1.0, 1.5)}),
        ((32, 36, 40), {"slice_dims": None, "num_levels": 3}),
        ((32, 32, 16), {"slice_dims": None, "spacing": (1.0, 1.0, 2.0), "is_complex": False, "num_levels": 2}),
    ],
)
def test_the_share_is_that_of_least_squares_on_the_bands(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    target = discs(*shape)
    noise = np.random.default_rng(1).normal(0, 0.2, shape)
    prediction = gaussian_filter(target, 1) + noise
    pyramid = {key: value for key, value in options.items() if key != "slice_dims"}
    explained, total = energies(prediction, target, **pyramid)
    shares = information_by_level(tensor(prediction), tensor(target), **options).explained_variance[:, 0, 0]
    np.testing.assert_allclose(shares, explained / total, rtol=1e-9)
    assert 0.05 < shares.min() < shares.max() < 0.999


def test_slices_of_a_volume_are_weighed_by_their_energy() -> None:
    target = np.stack([discs(64, 64, seed=seed) * (seed != 1) for seed in range(3)], -1)
    prediction = gaussian_filter(target, (1, 1, 0)) + np.random.default_rng(1).normal(0, 0.3, target.shape)
    sums = np.sum([energies(prediction[..., s], target[..., s]) for s in (0, 2)], axis=0)
    shares = information_by_level(tensor(prediction), tensor(target)).explained_variance[:, 0, 0]
    np.testing.assert_allclose(shares, sums[0] / sums[1], rtol=1e-9)


def test_known_predictions() -> None:
    target = discs(128, 128)
    shares = {
        name: information_by_level(tensor(prediction), tensor(target)).explained_variance[:, 0, 0].numpy()
        for name, prediction in {
            "target": target,
            "faint": 0.1 + 0.1 * target,
            "negative": 1 - target,
            "constant": np.full_like(target, 0.3),
            "mirrored": target[:, ::-1].copy(),
            "blurred": gaussian_filter(target, 4, mode="wrap"),
            "moved": np.roll(target, 1, axis=0),
        }.items()
    }
    for name in ("target", "faint", "negative"):  # all of the same structure
        np.testing.assert_allclose(shares[name], 1, rtol=0.02 if name == "faint" else 1e-4)
    assert (abs(shares["constant"]) < 0.1).all()
    assert (shares["mirrored"] < 0.4).all()
    # Of the waves in the middle of level n, exp(-(4 pi / 2**n)**2 / 2) pass: 1e-9 of the finest, 0.7 of the coarsest.
    assert shares["blurred"][0] < 0.1 < 0.95 < shares["blurred"][3]
    assert (np.diff(shares["blurred"]) > 0).all()
    assert 0.8 < shares["moved"][0] < shares["moved"][3] < 1


def test_structure_in_one_direction_counts_as_any() -> None:
    """Layers have all their energy in one direction; a share by the determinant would call the others lost."""
    rows = np.arange(64)[:, None] * np.ones(64)
    target = (rows % 16 < 4).astype(float)
    moved = np.roll(target, 1, axis=0)
    shares = information_by_level(tensor(moved), tensor(target)).explained_variance[:, 0, 0]
    expected, total = (values[:2] for values in energies(moved, target))
    np.testing.assert_allclose(shares[:2], expected / total, rtol=1e-9)
    assert shares[2] > 0.99  # a single wave, of 16 pixels: the regression turns it back
    assert shares[3].isnan()  # no energy at all


def test_information_and_bound_are_those_of_the_loss() -> None:
    prediction, target = tensor(gaussian_filter(discs(40, 40), 1)), tensor(discs(40, 40))
    levels = information_by_level(prediction, target, num_levels=3)
    torch.testing.assert_close(levels.information, mutual_information(prediction, target, num_levels=3))
    torch.testing.assert_close(levels.bound, mutual_information(target, target, num_levels=3))


def test_what_is_masked_does_not_count() -> None:
    target, mask = tensor(discs(64, 64)), torch.ones(1, 1, 64, 64)
    mask[..., :20] = 0
    prediction = tensor(gaussian_filter(discs(64, 64), 1))
    expected = information_by_level(prediction, target, mask=mask).explained_variance
    changed = [torch.where(mask > 0, image, 1 - image) for image in (prediction, target)]
    torch.testing.assert_close(information_by_level(*changed, mask=mask).explained_variance, expected)


def test_an_absent_class_has_no_share() -> None:
    target = torch.zeros(1, 2, 32, 32)
    target[:, 0, 8:24, 8:24] = 1
    levels = information_by_level(torch.rand(1, 2, 32, 32), target)
    assert levels.explained_variance[:, 0, 0].isfinite().all()
    assert levels.explained_variance[:, 0, 1].isnan().all()


def test_levels_that_do_not_fit_are_left_out() -> None:
    # Four levels fit into the first, and three into the second; they have coefficients enough for three and two.
    for shape, levels in (((32, 32), 3), ((12, 40), 2)):
        found = information_by_level(torch.rand(1, 1, *shape), torch.ones(1, 1, *shape)).explained_variance
        assert found.shape == (levels, 1, 1)


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_the_size_of_a_structure_is_half_the_wave_that_its_level_answers_to_most(level: int) -> None:
    half = structure_sizes(4, 2)[level - 1]
    wave = torch.cos(math.pi / half * torch.arange(128.0))[:, None].expand(128, 128)
    energy = [band.abs().square().mean() for band in SteerablePyramid()(wave).bands]
    assert int(torch.stack(energy).argmax()) == level - 1


def test_sizes_are_in_the_unit_of_the_finest_spacing_that_is_compared() -> None:
    assert structure_sizes(2, 2, spacing=(0.5, 0.4)) == [0.8, 1.6]
    assert structure_sizes(2, 3, spacing=(0.8, 0.7, 0.3)) == [1.4, 2.8]  # of axial slices
    assert structure_sizes(2, 3, slice_dims=(0, 1, 2), spacing=(0.8, 0.7, 0.3)) == [0.6, 1.2]
    assert structure_sizes(1, 3, slice_dims=None, spacing=(2, 3, 4)) == [4]


def test_bad_arguments() -> None:
    image = torch.rand(1, 1, 32, 32)
    with pytest.raises(ValueError, match=r"one shape .* got \(1, 1, 32, 32\) and \(1, 1, 32, 16\)"):
        information_by_level(image, image[..., :16])
    with pytest.raises(ValueError, match="num_levels must be at least 1"):
        information_by_level(image, image, num_levels=0)
    with pytest.raises(ValueError, match="spacing must be 2 positive"):
        structure_sizes(4, 2, spacing=(1, 0))


def test_moments_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return spectral_moments(*arguments, **options)

    monkeypatch.setattr("monai_cwmi.functional.spectral_moments", counted)
    target = torch.zeros(2, 1, 32, 32)
    target[..., 8:24, 8:24] = 1
    prediction = 0.5 * target + 0.2
    levels = information_by_level(prediction, target)
    assert len(calls) == 1
    pair = prediction.double(), target.double()
    torch.testing.assert_close(levels.information, mutual_information(*pair, num_levels=3))
    torch.testing.assert_close(levels.bound, mutual_information(pair[1], pair[1], num_levels=3))
