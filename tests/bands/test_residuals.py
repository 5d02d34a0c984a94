"""Moments of the residual bands, against the bands of the pyramid and against finite differences."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_cwmi import SteerablePyramid
from monai_cwmi.bands.moments import Moments
from monai_cwmi.bands.spec import BandOptions, PyramidSpec, fitting_levels
from monai_cwmi.bands.spectral import spectral_moments
from monai_cwmi.bands.subbands import subband_moments
from monai_cwmi.functional import measure_bands
from monai_cwmi.measures import ResidualError

# Shape, spacing and axis of slices; even, odd and thin, with coarse axes.
LOOKS: list[tuple[tuple[int, ...], tuple[float, ...], int | None]] = [
    ((16, 16), (1.0, 1.0), None),
    ((17, 24), (1.0, 2.3), None),
    ((33, 21), (1.0, 1.0), None),
    ((40, 6), (1.0, 8.0), None),
    ((5, 5), (1.0, 1.0), None),
    ((12, 17, 9), (1.0, 1.0, 3.0), None),
    ((16, 16, 16), (1.0, 1.0, 1.0), None),
    ((14, 12, 17), (1.0, 2.5), 1),
    ((14, 13, 16), (1.0, 1.0), 2),
]


def pair(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction = torch.rand(2, 2, *shape, dtype=torch.float64, generator=generator)
    target = (torch.rand(2, 2, *shape, dtype=torch.float64, generator=generator) > 0.6).double()
    return prediction.to(dtype).requires_grad_(), target.to(dtype)


def spec_of(shape: tuple[int, ...], spacing: tuple[float, ...], slice_dim: int | None, **options: Any) -> PyramidSpec:
    seen = [size for axis, size in enumerate(shape) if axis != slice_dim]
    defaults = {"num_orientations": 6 if len(seen) == 3 else 4, "is_complex": True} | options
    return PyramidSpec(fitting_levels(seen, 3, spacing), frequency_grid="centred", spacing=spacing, **defaults)


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize(("shape", "spacing", "slice_dim"), LOOKS)
def test_moments_and_gradients_are_those_of_the_residual_bands(
    shape: tuple[int, ...], spacing: tuple[float, ...], slice_dim: int | None, is_complex: bool
) -> None:
    prediction, target = pair(shape)
    spec = spec_of(shape, spacing, slice_dim, is_complex=is_complex)
    found, expected = (
        form(prediction, target, spec, slice_dim, residuals=True) for form in (spectral_moments, subband_moments)
    )
    assert isinstance(found.residuals, Moments)
    assert isinstance(expected.residuals, Moments)
    gradients = []
    for moments in (found.residuals, expected.residuals):
        weights = torch.tensor([1.0, 0.3]).double().reshape(2, *[1] * (moments.error.ndim - 1))
        value = (weights * (moments.error + moments.cross + 0.5 * moments.prediction)).square().sum()
        gradients.append(torch.autograd.grad(value, prediction, retain_graph=True)[0])
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)
    for name in ("prediction", "target", "cross", "error"):
        value, reference = (getattr(moments, name) for moments in (found.residuals, expected.residuals))
        torch.testing.assert_close(value, reference, rtol=1e-9, atol=1e-9)
    for part in ("levels", "residuals"):
        counts = [getattr(moments, part).num_independent for moments in (found, expected)]
        torch.testing.assert_close(*counts, rtol=1e-9, atol=0)


@pytest.mark.parametrize("shape", [(32, 40), (33, 21), (16, 14, 18)])
def test_the_energy_of_levels_and_residuals_is_that_of_the_image(shape: tuple[int, ...]) -> None:
    _, target = pair(shape)
    dims = len(shape)
    spec = spec_of(shape, (1.0,) * dims, None, is_complex=False)
    moments = spectral_moments(torch.zeros_like(target), target, spec, residuals=True)
    assert moments.residuals is not None
    levels = moments.levels.target.diagonal(dim1=-2, dim2=-1).sum(-1)  # (N, B, C)
    scales = torch.tensor([2.0 ** (dims * n) for n in range(spec.num_levels)]).double().reshape(-1, 1, 1)
    highpass, lowpass = moments.residuals.target[..., 0, 0]
    total = highpass + (levels / scales).sum(0) + lowpass
    torch.testing.assert_close(total, target.square().flatten(2).sum(-1), rtol=1e-10, atol=0)
    # And the high-pass band is that of the pyramid, from outside.
    pyramid = SteerablePyramid(spec.num_levels, spec.num_orientations, False, spatial_dims=dims)
    torch.testing.assert_close(highpass, pyramid(target).highpass.square().flatten(2).sum(-1), rtol=1e-9, atol=0)


@pytest.mark.parametrize("noise", [0.3, 1e-2])
def test_single_precision_keeps_the_error_of_a_good_prediction(noise: float) -> None:
    # The high-pass band is a difference of sums; rounding is relative to the whole error, not to the image.
    prediction, target = pair((64, 80))
    prediction = ((1 - noise) * target + noise * prediction).detach()
    spec = PyramidSpec(4, 4, True, "centred")
    single, double = (
        spectral_moments(prediction.float().to(d), target.to(d), spec, residuals=True).residuals
        for d in (torch.float32, torch.float64)
    )
    assert single is not None
    assert double is not None
    whole = (prediction - target).square().flatten(2).sum(-1)
    assert ((single.error - double.error)[..., 0, 0].abs() / whole).max() < 1e-5


def test_within_a_mask_the_mean_is_that_of_the_labelled_pixels() -> None:
    prediction, target = pair((24, 20))
    mask = torch.ones(2, 1, 24, 20)
    options = BandOptions(num_levels=2)
    whole = measure_bands(prediction, target, [ResidualError()], options)[0]
    torch.testing.assert_close(measure_bands(prediction, target, [ResidualError()], options, mask=mask)[0], whole)
    mask[:, :, :, 12:] = 0
    changed = torch.where(mask.bool(), prediction, 7.0)
    (masked,), (again,) = (
        measure_bands(p, target, [ResidualError()], options, mask=mask) for p in (prediction, changed)
    )
    torch.testing.assert_close(masked, again)
    # A constant offset is an error of the low-pass band alone, whatever the mask's shape.
    offset = measure_bands(target.clone() + 0.2, target, [ResidualError()], options, mask=mask)[0]
    assert offset[0].abs().max() < 1e-6
    assert offset[1].min() > 0.05
    (gradient,) = torch.autograd.grad(masked.sum(), prediction)
    assert gradient[..., 12:].abs().max() == 0
    assert gradient[..., :12].abs().max() > 0


def test_what_the_levels_do_not_see_costs() -> None:
    target = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    target[..., 16:48, 20:40] = 1
    checkerboard = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    scores = {
        "perfect": target,
        "blank": torch.zeros_like(target),
        "mirrored": 1 - target,
        "offset": 0.8 * target + 0.1,
        "checkerboard": (target - 0.4 * checkerboard).abs(),
    }
    options = BandOptions()
    found = {name: measure_bands(p, target, [ResidualError()], options)[0][:, 0, 0] for name, p in scores.items()}
    assert found["perfect"].abs().max() < 1e-6
    assert all(0.7 < value < 1 for value in found["blank"].tolist())
    assert (found["mirrored"] > found["blank"]).all()
    assert found["offset"][1] > 0.02
    assert found["checkerboard"][0] > 0.3
    assert math.isfinite(measure_bands(scores["blank"], scores["blank"], [ResidualError()], options)[0].sum())


def test_residual_bands_of_the_published_grid_are_refused() -> None:
    prediction, target = pair((16, 16))
    with pytest.raises(ValueError, match="residual bands are those of the centred grid"):
        measure_bands(prediction, target, [ResidualError()], BandOptions(frequency_grid="published"))
