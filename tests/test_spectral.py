from __future__ import annotations

import pytest
import torch

from monai_cwmi import SteerablePyramid
from monai_cwmi.spectral import BandCovariances, PyramidSpec, _cached_tables, _spectrum, band_covariances

SHAPES = [(16, 16), (17, 24), (32, 21), (33, 47)]


def images(shape: tuple[int, int], dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction = torch.rand(2, 3, *shape, dtype=dtype, generator=generator)
    target = (torch.rand(2, 3, *shape, dtype=dtype, generator=generator) > 0.6).to(dtype)
    return prediction, target


def from_subbands(a: torch.Tensor, b: torch.Tensor, spec: PyramidSpec) -> torch.Tensor:
    """Covariances ``(N, B, C, K, K)`` as sums over the pixels of the bands of a real pyramid of images."""
    pyramid = SteerablePyramid(*spec)  # type: ignore[arg-type]  # a plain string names the grid
    return torch.stack(
        [
            torch.einsum("bcjhw,bckhw->bcjk", band_a, band_b.conj())
            for band_a, band_b in zip(pyramid(a).bands, pyramid(b).bands, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("shape", "num_levels", "frequency_grid"),
    # The subbands of the published grid lose frequencies at odd sizes, and in the real pyramid at coarser levels.
    [*((shape, 3, "centred") for shape in SHAPES), ((16, 16), 1, "published")],
)
@pytest.mark.parametrize("is_complex", [True, False])
def test_covariances_are_those_of_the_subbands(
    shape: tuple[int, int], num_levels: int, frequency_grid: str, is_complex: bool
) -> None:
    prediction, target = images(shape)
    spec = PyramidSpec(num_levels, 4, is_complex, frequency_grid)
    covariances = band_covariances(prediction, target, spec)
    residual = target - covariances.coefficient * prediction
    pairs = {
        "target": (target, target),
        "prediction": (prediction, prediction),
        "residual": (residual, residual),
        "target_cross": (target, prediction),
        "residual_cross": (residual, prediction),
    }
    for name, (a, b) in pairs.items():
        expected = from_subbands(a, b, spec)
        value = getattr(covariances, name)
        assert value.is_complex() == (is_complex and "cross" in name)
        expected = expected if value.is_complex() or not is_complex else expected.real
        torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)


def test_the_coefficient_is_that_of_the_regression() -> None:
    prediction, target = images((16, 16))
    coefficient = band_covariances(prediction, target, PyramidSpec(2, 4, True, "centred")).coefficient
    for b in range(2):
        for c in range(3):
            joint = torch.cov(torch.stack((target[b, c].flatten(), prediction[b, c].flatten())), correction=0)
            torch.testing.assert_close(coefficient[b, c, 0, 0], joint[0, 1] / joint[1, 1], rtol=1e-4, atol=0)


def test_a_constant_prediction_has_a_finite_coefficient() -> None:
    _, target = images((16, 16), torch.float32)
    for value in (0.0, 0.3, 1.0):
        covariances = band_covariances(torch.full_like(target, value), target, PyramidSpec(2, 4, True, "centred"))
        assert covariances.coefficient.abs().max() < 1


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("shape", [(8, 8), (9, 8), (8, 11)])
def test_gradients_of_every_covariance_agree_with_finite_differences(shape: tuple[int, int], is_complex: bool) -> None:
    prediction, target = (t[:1, :2] for t in images(shape))

    def covariances_of(p: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found: BandCovariances = band_covariances(p, target, PyramidSpec(2, 3, is_complex, "centred"))
        # The regression coefficient and with it the residual are held fixed: only what does not depend on it counts.
        cross = found.residual_cross + found.coefficient.detach() * found.prediction
        return found.prediction, found.target_cross, cross

    assert torch.autograd.gradcheck(covariances_of, prediction.requires_grad_())


def test_sums_in_single_precision_keep_six_digits() -> None:
    # A large power in a few frequencies and a little in very many: one long float32 sum would drop the little.
    prediction, target = images((256, 256), torch.float32)
    target = (torch.arange(256) < 128).float().expand_as(target)
    prediction = 0.98 * target + 1e-3 * prediction
    spec = PyramidSpec(4, 4, True, "centred")
    single, double = (band_covariances(prediction.to(d), target.to(d), spec) for d in (torch.float32, torch.float64))
    for name in ("target", "prediction"):
        value, expected = getattr(single, name), getattr(double, name)
        error = torch.linalg.matrix_norm(value - expected) / torch.linalg.matrix_norm(expected)
        assert error.max() < 2e-6, name


def test_tables_of_old_sizes_are_let_go() -> None:
    _cached_tables.cache_clear()
    for size in range(16, 48):
        band_covariances(*images((size, size), torch.float32), PyramidSpec(2, 4, True, "centred"))
    info = _cached_tables.cache_info()
    assert info.misses == 32
    assert info.currsize <= 8
    band_covariances(*images((47, 47), torch.float32), PyramidSpec(2, 4, True, "centred"))
    assert _cached_tables.cache_info().misses == 32  # nor are they made again at every step


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("shape", [(16, 16), (17, 23)])
def test_the_operators_keep_their_promises_to_the_compiler(shape: tuple[int, int], is_complex: bool) -> None:
    prediction, target = (image.flatten(0, 1) for image in images(shape))
    spectra = _spectrum(prediction), _spectrum(target)
    coefficient = prediction.new_full((len(prediction), 1, 1), 0.5)
    options = (shape[1] % 2 == 1, 2, 3, is_complex, "centred")
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(torch.ops.monai_cwmi.product_sums, (*spectra, coefficient, *options), test_utils=tests)
    sums = torch.ops.monai_cwmi.product_sums(*spectra, coefficient, *options)
    arguments = (sums.double(), *spectra, coefficient, *options)
    torch.library.opcheck(torch.ops.monai_cwmi.gradient_spectrum, arguments, test_utils=tests)
