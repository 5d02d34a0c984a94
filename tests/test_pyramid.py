from __future__ import annotations

import math

import plenoptic
import pytest
import torch

from monai_cwmi import SteerablePyramid
from monai_cwmi.filters import band_filters, fft_frequencies


@pytest.mark.parametrize("is_complex", [True, False])
def test_reconstruction_of_every_size(is_complex: bool) -> None:
    pyramid = SteerablePyramid(is_complex=is_complex)
    generator = torch.Generator().manual_seed(0)
    worst = {}
    for rows in range(16, 71):
        for columns in range(16, 71):
            image = torch.rand(rows, columns, generator=generator)
            worst[rows, columns] = float((pyramid.reconstruct(pyramid(image)) - image).abs().max())
    assert max(worst.values()) < 1e-5, max(worst, key=lambda size: worst[size])


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (3, 5), (8, 8), (9, 300)])
def test_reconstruction_of_small_and_thin_images(shape: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *shape, dtype=torch.float64)
    pyramid = SteerablePyramid(num_orientations=6)
    torch.testing.assert_close(pyramid.reconstruct(pyramid(image)), image, rtol=0, atol=1e-12)


def test_the_published_grid_does_not_reconstruct() -> None:
    image = torch.rand(64, 64)
    pyramid = SteerablePyramid(frequency_grid="published")
    assert (pyramid.reconstruct(pyramid(image)) - image).abs().max() > 1e-2


@pytest.mark.parametrize("num_orientations", [2, 3, 4, 8])
@pytest.mark.parametrize("shape", [(64, 64), (128, 96)])
def test_bands_are_plenoptics_up_to_a_phase(shape: tuple[int, int], num_orientations: int) -> None:
    image = torch.rand(1, 1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    other = plenoptic.process.SteerablePyramidFreq(
        shape[::-1], height=3, order=num_orientations - 1, is_complex=True, tight_frame=False
    ).double()
    # It counts angles from the column axis, we count them from the row axis.
    coefficients = other(image.mT)
    for level, band in enumerate(SteerablePyramid(3, num_orientations)(image).bands):
        for ours, expected in zip(band[0, 0], coefficients[level][0, 0].mT, strict=True):  # (h, w), K of them
            phase = (expected * ours.conj()).sum().sgn()
            # Its filters are float32.
            assert torch.linalg.vector_norm(phase * ours - expected) < 1e-5 * torch.linalg.vector_norm(expected)
            torch.testing.assert_close(phase.imag * phase.real, torch.zeros_like(phase.real), rtol=0, atol=1e-5)


def test_a_wave_lands_in_the_band_of_its_scale_and_direction() -> None:
    columns = torch.arange(64)
    wave = torch.cos(2 * math.pi * 8 * columns / 64).expand(64, 64)  # frequency pi / 4 along columns: level 2
    energies = torch.stack([band.abs().square().sum((-2, -1)) for band in SteerablePyramid()(wave).bands])  # (N, K)
    assert energies.argmax() == 1 * 4 + 2  # k = 2 of 4 points along columns, a quarter turn from rows


def test_energy_of_a_level_is_that_of_its_frequencies_for_odd_sizes_too() -> None:
    # Against the same band on the image's own grid, which holds 4**(n - 1) times as many pixels.
    image = torch.rand(37, 50, dtype=torch.float64)
    for level, band in enumerate(SteerablePyramid()(image).bands, start=1):
        filters = band_filters((fft_frequencies(37), fft_frequencies(50)), (37, 50), level, 4)
        full = torch.fft.ifft2(torch.fft.fft2(image) * filters)
        torch.testing.assert_close(
            band.abs().square().sum((-2, -1)), full.abs().square().sum((-2, -1)) * 4 ** (level - 1)
        )


def test_gradients_flow_through_the_pyramid() -> None:
    pyramid = SteerablePyramid(num_levels=2, num_orientations=2)
    image = torch.rand(9, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: pyramid(x).bands[1], image)


def test_bad_images_and_bands_are_named() -> None:
    pyramid = SteerablePyramid()
    with pytest.raises(ValueError, match=r"real \(\.\.\., H, W\) tensor, got torch.int64"):
        pyramid(torch.ones(8, 8, dtype=torch.int64))
    coefficients = pyramid(torch.rand(32, 32))
    with pytest.raises(ValueError, match="must have the shapes"):
        pyramid.reconstruct(coefficients._replace(bands=coefficients.bands[:-1]))
    with pytest.raises(ValueError, match="num_levels"):
        SteerablePyramid(num_levels=0)
