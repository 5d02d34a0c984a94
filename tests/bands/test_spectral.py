from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from monai_cwmi.bands.moments import Moments
from monai_cwmi.bands.spec import PyramidSpec, fitting_levels
from monai_cwmi.bands.spectral import spectral_moments
from monai_cwmi.bands.subbands import subband_moments
from monai_cwmi.functional import mutual_information

SHAPES = [(16, 16), (17, 24), (32, 21), (33, 47)]


def images(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction = torch.rand(2, 3, *shape, dtype=dtype, generator=generator)
    target = (torch.rand(2, 3, *shape, dtype=dtype, generator=generator) > 0.6).to(dtype)
    return prediction, target


def crosses(moments: Moments) -> tuple[Tensor, ...]:
    """``G_PP``, real and imaginary part of ``G_YP``, ``G_EE`` and ``G_YY``: what does not depend on ``c``."""
    cross = moments.cross
    parts = (cross.real, cross.imag) if cross.is_complex() else (cross,)
    return moments.prediction, *parts, moments.error, moments.target


@pytest.mark.parametrize("num_orientations", [2, 3, 4, 5, 12])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_complex", [True, False])
def test_covariances_are_those_of_the_subbands(shape: tuple[int, int], is_complex: bool, num_orientations: int) -> None:
    spec = PyramidSpec(3, num_orientations, is_complex, "centred")
    found, expected = (form(*images(shape), spec).levels for form in (spectral_moments, subband_moments))
    assert found.matrices.dtype == found.coefficient.dtype == torch.float64
    assert found.matrices.shape == (4 if is_complex else 3, 3, 2, 3, num_orientations, num_orientations)
    for value, reference in zip(crosses(found), crosses(expected), strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("num_orientations", [3, 6])
@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        *itertools.product(
            [(16, 16, 16), (12, 17, 9), (24, 20, 6)], [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0), (2.8, 1.0, 1.9)]
        ),
        ((1, 16, 20), (2.8, 1.0, 1.9)),
    ],
)
@pytest.mark.parametrize("is_complex", [True, False])
def test_covariances_of_volumes_are_those_of_their_subbands(
    shape: tuple[int, int, int], spacing: tuple[float, ...], is_complex: bool, num_orientations: int
) -> None:
    num_levels = fitting_levels(shape, 3, spacing)
    assert num_levels > 0
    spec = PyramidSpec(num_levels, num_orientations, is_complex, "centred", spacing)
    found, expected = (form(*images(shape), spec).levels for form in (spectral_moments, subband_moments))
    bands = 2 * num_orientations if is_complex else num_orientations  # real and imaginary parts
    assert found.matrices.shape == (3, num_levels, 2, 3, bands, bands)
    for value, reference in zip(crosses(found), crosses(expected), strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("slice_dim", [0, 1, 2])
@pytest.mark.parametrize("is_complex", [True, False])
def test_covariances_of_slices_are_those_of_their_subbands(slice_dim: int, is_complex: bool) -> None:
    spec = PyramidSpec(2, 4, is_complex, "centred", (1.0, 2.5))
    prediction, target = images((14, 12, 17))
    prediction.requires_grad_()
    found, expected = (
        crosses(form(prediction, target, spec, slice_dim).levels) for form in (spectral_moments, subband_moments)
    )
    gradients = []
    for values in (found, expected):
        weights = [torch.linspace(0, 1, v.numel(), dtype=v.dtype).view_as(v) for v in values]
        total = torch.stack([(v * w).sum() for v, w in zip(values[:-1], weights[:-1], strict=True)]).sum()
        gradients.append(torch.autograd.grad(total, prediction)[0])
    for value, reference in zip((*found, gradients[0]), (*expected, gradients[1]), strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-9, atol=1e-9)


def test_large_images_are_covered_by_a_table_of_long_blocks() -> None:
    shape = 260, 301
    spec = PyramidSpec(4, 4, True, "centred")
    found, expected = (form(*images(shape), spec).levels for form in (spectral_moments, subband_moments))
    for value, reference in zip(crosses(found), crosses(expected), strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-9, atol=1e-7)


def test_more_images_than_are_transformed_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction, target = images((16, 20))
    prediction.requires_grad_()
    spec = PyramidSpec(2, 4, True, "centred")
    whole = spectral_moments(prediction, target, spec).levels
    (gradient,) = torch.autograd.grad(whole.matrices.square().sum(), prediction)
    monkeypatch.setattr("monai_cwmi.bands.batches._PIXELS", 4 * 16 * 20)  # six images: four and two
    parts = spectral_moments(prediction, target, spec).levels
    torch.testing.assert_close(parts, whole)
    (found,) = torch.autograd.grad(parts.matrices.square().sum(), prediction)
    torch.testing.assert_close(found, gradient)


def test_the_coefficient_is_that_of_the_regression_at_each_level() -> None:
    prediction, target = images((32, 32))
    spec = PyramidSpec(3, 4, False, "centred")
    found, expected = (form(prediction, target, spec).levels for form in (spectral_moments, subband_moments))
    # The spectral sums leave the windows out, so that the two are not the same, but as good.
    sizes = [c.matrices[1].diagonal(dim1=-2, dim2=-1).sum(-1) for c in (found, expected)]
    torch.testing.assert_close(*sizes, rtol=2e-2, atol=0)
    own = crosses(found)[-1].diagonal(dim1=-2, dim2=-1).sum(-1)
    assert (sizes[0] < 1.01 * own).all()


def test_a_level_at_which_there_is_no_target_has_no_coefficient() -> None:
    # A wave of four pixels is at the centre of level 1, and so on no other; the prediction holds noise on all.
    prediction, _ = images((64, 64))
    target = (torch.arange(64).double() * torch.pi / 2).cos().expand_as(prediction)
    prediction = 0.5 + 0.4 * target + 0.1 * prediction
    moments = spectral_moments(prediction, target, PyramidSpec(4, 4, True, "centred")).levels
    assert (moments.coefficient[0] > 2).all()
    assert moments.coefficient[1:].abs().max() < 1e-3
    assert moments.matrices[1, 1:].abs().max() < 1e-6  # next to nothing against alpha = 5e-4


def test_a_constant_prediction_has_a_finite_coefficient() -> None:
    _, target = images((16, 16), torch.float32)
    for value in (0.0, 0.3, 1.0):
        moments = spectral_moments(torch.full_like(target, value), target, PyramidSpec(2, 4, True, "centred")).levels
        assert moments.coefficient.abs().max() < 1


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("shape", [(8, 8), (9, 8), (8, 11)])
def test_gradients_of_every_covariance_agree_with_finite_differences(shape: tuple[int, int], is_complex: bool) -> None:
    prediction, target = (t[:1, :2] for t in images(shape))
    spec = PyramidSpec(2, 3, is_complex, "centred")

    def covariances_of(p: Tensor) -> tuple[Tensor, ...]:
        # The target is a constant, and so is what is known of it alone.
        return crosses(spectral_moments(p, target, spec).levels)[:-1]

    assert torch.autograd.gradcheck(covariances_of, prediction.requires_grad_())


def test_sums_in_single_precision_keep_six_digits() -> None:
    # A large power in a few frequencies and a little in very many: one long float32 sum would drop the little.
    prediction, target = images((256, 256), torch.float32)
    target = (torch.arange(256) < 128).float().expand_as(target)
    prediction = 0.98 * target + 1e-3 * prediction
    spec = PyramidSpec(4, 4, True, "centred")
    single, double = (
        spectral_moments(prediction.to(d), target.to(d), spec).levels for d in (torch.float32, torch.float64)
    )
    for value, expected in ((crosses(single)[i], crosses(double)[i]) for i in (0, -1)):
        error = torch.linalg.matrix_norm(value - expected) / torch.linalg.matrix_norm(expected)
        assert error.max() < 2e-6


@pytest.mark.parametrize("residuals", [True, False])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize(
    ("shape", "slice_dim"), [((16, 16), None), ((17, 23), None), ((8, 9, 11), None), ((8, 9, 11), 0), ((8, 9, 11), 2)]
)
def test_the_operators_keep_their_promises_to_the_compiler(
    shape: tuple[int, ...], slice_dim: int | None, is_complex: bool, residuals: bool
) -> None:
    prediction, target = (image.flatten(0, 1) for image in images(shape))
    spacing = (1.0, 2.0, 1.0) if len(shape) == 3 and slice_dim is None else (1.0, 1.0)
    options = PyramidSpec(2, 3, is_complex, "centred", spacing).numbers, slice_dim, residuals
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(torch.ops.monai_cwmi.covariances, (prediction, target, *options), test_utils=tests)
    matrices, c, _, totals, means, *spectra = torch.ops.monai_cwmi.covariances(prediction, target, *options)
    saved = [c, means, *spectra, prediction, target]
    arguments = ([matrices, totals, means], saved, shape, *options)
    torch.library.opcheck(torch.ops.monai_cwmi.covariances_backward, arguments, test_utils=tests)


def test_a_second_derivative_is_refused() -> None:
    prediction, target = (t[:1, :1] for t in images((16, 16)))
    moments = spectral_moments(prediction.requires_grad_(), target, PyramidSpec(2, 4, True, "centred")).levels
    (gradient,) = torch.autograd.grad(moments.matrices.sum(), prediction, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        gradient.sum().backward()


@pytest.mark.parametrize("contrast", [0.0, 1e-4])
def test_a_prediction_with_little_contrast_has_an_accurate_gradient(contrast: float) -> None:
    # Its mean must not drown it in rounding errors, at a size whose transform is not exact.
    _, target = images((173, 230))
    prediction = 1 - contrast * target.roll(1, -1)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        p = prediction.float().to(dtype).requires_grad_()  # the same numbers in both
        gradients.append(torch.autograd.grad(mutual_information(p, target.to(dtype)).sum(), p)[0].double())
    assert (gradients[0] - gradients[1]).norm() < 1e-8 + 0.01 * gradients[1].norm()
