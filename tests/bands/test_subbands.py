from __future__ import annotations

import pytest
import torch

from monai_cwmi import SteerablePyramid
from monai_cwmi.bands.spec import PyramidSpec
from monai_cwmi.bands.subbands import subband_moments


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("frequency_grid", ["centred", "published"])
def test_covariances_are_sums_over_pixels(frequency_grid: str, is_complex: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(2, 1, 24, 33, dtype=torch.float64, generator=generator) > 0.5).double()
    prediction = 0.5 * target + 0.5 * torch.rand(2, 1, 24, 33, dtype=torch.float64, generator=generator)
    spec = PyramidSpec(3, 3, is_complex, frequency_grid)  # type: ignore[arg-type]
    matrices, coefficient, *_ = subband_moments(prediction, target, spec).levels
    pyramid = SteerablePyramid(*spec[:4])
    for level, (p, y) in enumerate(zip(pyramid(prediction).bands, pyramid(target).bands, strict=True)):
        for image in range(2):
            c = coefficient[level, image, 0]
            for j in range(3):
                for k in range(3):
                    d = y[image, 0] - c * p[image, 0]
                    found = matrices[:, level, image, 0, j, k]
                    cross = (d[j] * p[image, 0, k].conj()).sum()
                    expected = [(p[image, 0, j] * p[image, 0, k].conj()).sum().real, (d[j] * d[k].conj()).sum().real]
                    expected += [cross.real, cross.imag] if is_complex else [cross.real]
                    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-10, atol=1e-10)


def test_own_covariances_are_real() -> None:
    # The imaginary parts that are dropped are zero, on the published grid too.
    image = torch.rand(1, 1, 32, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for grid in ("centred", "published"):
        for band in SteerablePyramid(num_levels=3, frequency_grid=grid)(image).bands:
            flat = band.flatten(-2)
            own = flat @ flat.mH
            assert own.imag.abs().max() < 1e-12 * own.real.abs().max()
