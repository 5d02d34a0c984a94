from __future__ import annotations

import math

import pytest
import torch

from monai_cwmi import SteerablePyramid
from monai_cwmi.explanation import compute_bands


@pytest.mark.parametrize(("level", "k"), [(1, 0), (2, 1), (3, 2), (2, 3)])
def test_a_wave_is_in_the_band_of_its_scale_and_direction(level: int, k: int) -> None:
    angle, pace = math.pi / 4 * k, math.pi / 2**level
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    wave = torch.cos(pace * (math.cos(angle) * rows + math.sin(angle) * columns))
    bands = compute_bands(torch.zeros(64, 64), wave)
    energy = torch.stack([band.abs().square().mean((1, 2)) for band in bands.target])  # (N, K)
    assert divmod(int(energy.argmax()), 4) == (level - 1, k)
    assert all((band == 0).all() for band in bands.prediction)


def test_volumes_have_the_pyramids_bands_in_space() -> None:
    prediction, target = torch.rand(2, 24, 20, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bands = compute_bands(prediction, target, num_levels=2, num_orientations=3, spacing=(1.0, 1.0, 2.0))
    pyramid = SteerablePyramid(2, 3, spatial_dims=3, spacing=(1.0, 1.0, 2.0))
    for found, image in ((bands.prediction, prediction), (bands.target, target)):
        for band, expected in zip(found, pyramid(image).bands, strict=True):
            torch.testing.assert_close(band, expected)
