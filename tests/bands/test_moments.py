from __future__ import annotations

import pytest
import torch

from monai_cwmi.bands.moments import Moments


def bands(*shape: int, complex_bands: bool) -> torch.Tensor:
    generator = torch.Generator().manual_seed(len(shape))
    dtype = torch.complex128 if complex_bands else torch.float64
    return torch.randn(*shape, dtype=dtype, generator=generator)


def moments_of(y: torch.Tensor, p: torch.Tensor, c: torch.Tensor) -> Moments:
    """Of bands ``(N, B, C, F, pixels)``; those of one image have real moments, as bands of real images do."""
    d = y - c[..., None, None] * p
    cross = d @ p.mH
    parts = [(p @ p.mH).real, (d @ d.mH).real, cross.real]
    matrices = torch.stack([*parts, cross.imag] if y.is_complex() else parts)
    return Moments(matrices, c, torch.tensor([40.0, 10.0]).double(), 1e-11)


@pytest.mark.parametrize("complex_bands", [True, False])
def test_target_cross_and_error_do_not_depend_on_the_coefficient(complex_bands: bool) -> None:
    y, p = bands(2, 3, 1, 4, 30, complex_bands=complex_bands), bands(2, 3, 1, 4, 30, complex_bands=complex_bands) + 1
    for c in (torch.zeros(2, 3, 1), torch.ones(2, 3, 1), torch.linspace(-1, 3, 6).reshape(2, 3, 1)):
        moments = moments_of(y, p, c.double())
        for found, expected in (
            (moments.prediction, (p @ p.mH).real),
            (moments.target, (y @ y.mH).real),
            (moments.error, ((y - p) @ (y - p).mH).real),
            # Own moments are taken as real, so that of the cross moment's coefficient too.
            (moments.cross, (y @ p.mH) - 1j * c[..., None, None] * (p @ p.mH).imag if complex_bands else y @ p.mH),
        ):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_a_target_as_its_own_prediction_has_no_error() -> None:
    y, p = bands(2, 3, 1, 4, 30, complex_bands=False), bands(2, 3, 1, 4, 30, complex_bands=False) + 1
    moments = moments_of(y, p, torch.full((2, 3, 1), 0.4).double()).of_target_itself()
    for found in (moments.prediction, moments.target, moments.cross):
        torch.testing.assert_close(found, y @ y.mT)
    assert moments.error.abs().max() == 0
