from __future__ import annotations

import math

import plenoptic
import pytest
import torch

from monai_cwmi import SteerablePyramid
from monai_cwmi.bands.filters import band_filters, fft_frequencies


@pytest.mark.slow
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


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("num_orientations", [3, 6])
@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 3.0), (0.7, 0.9, 2.3), (5.0, 1.0, 1.0)])
@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 24, 9), (20, 18, 6), (1, 7, 30), (2, 2, 2)])
def test_reconstruction_of_volumes(
    shape: tuple[int, int, int], spacing: tuple[float, ...] | None, num_orientations: int, is_complex: bool
) -> None:
    volume = torch.rand(2, *shape, dtype=torch.float64)
    pyramid = SteerablePyramid(3, num_orientations, is_complex, spatial_dims=3, spacing=spacing)
    torch.testing.assert_close(pyramid.reconstruct(pyramid(volume)), volume, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(32, 8), (33, 9), (20, 40)])
def test_reconstruction_of_pixels_that_are_not_square(shape: tuple[int, int]) -> None:
    image = torch.rand(*shape, dtype=torch.float64)
    pyramid = SteerablePyramid(spacing=(0.5, 2.0))
    torch.testing.assert_close(pyramid.reconstruct(pyramid(image)), image, rtol=0, atol=1e-12)


def test_a_coarse_axis_keeps_its_samples_until_a_level_is_as_coarse() -> None:
    pyramid = SteerablePyramid(num_levels=4, spatial_dims=3, spacing=(1.0, 1.0, 3.0))
    bands = pyramid(torch.rand(64, 64, 24)).bands
    assert [band.shape[1:] for band in bands] == [(64, 64, 24), (32, 32, 24), (16, 16, 18), (8, 8, 9)]


@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 2.0)])
def test_energy_over_voxels_is_energy_over_frequencies(spacing: tuple[float, ...] | None) -> None:
    # A level's gain, whatever its grid: sums over voxels are 8^(n-1) / (H W D) times sums over frequencies.
    shape = 24, 20, 18
    volume = torch.rand(*shape, dtype=torch.float64)
    power = torch.fft.fftn(volume).abs().square()
    frequencies = tuple(fft_frequencies(n) for n in shape)
    pyramid = SteerablePyramid(num_levels=3, spatial_dims=3, spacing=spacing)
    for level, band in enumerate(pyramid(volume).bands, start=1):
        filters = band_filters(frequencies, shape, level, 6, spacing=spacing)
        expected = (filters.square() * power).sum((1, 2, 3)) * 8 ** (level - 1) / math.prod(shape)
        torch.testing.assert_close(band.abs().square().sum((1, 2, 3)), expected)


def test_a_wave_in_space_lands_in_the_band_of_its_scale_and_direction() -> None:
    # 8 mm waves along the axis between two corners of the icosahedron that lie in one plane, in voxels of 1 x 1 x 2 mm.
    x, y, z = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), 2 * torch.arange(24.0), indexing="ij")
    for direction, expected in (((0, 3, 5), 0), ((0, 3, -5), 1), ((5, 0, 3), 2), ((3, 5, 0), 4)):
        wave = torch.cos(2 * math.pi / 48 * (direction[0] * x + direction[1] * y + direction[2] * z))
        pyramid = SteerablePyramid(num_levels=3, spatial_dims=3, spacing=(1, 1, 2))
        energies = torch.stack([band.abs().square().mean((-3, -2, -1)) for band in pyramid(wave).bands])
        assert energies.argmax() == 1 * 6 + expected  # level 2 is centred on 8 samples


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


def test_a_number_of_axes_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match="spatial_dims must be 2 or 3"):
        SteerablePyramid(spatial_dims=4)
    with pytest.raises(ValueError, match="spacing must be 3 positive"):
        SteerablePyramid(spatial_dims=3, spacing=(1, 1))
    with pytest.raises(ValueError, match=r"\(\.\.\., H, W, D\)"):
        SteerablePyramid(spatial_dims=3)(torch.rand(8, 8))
