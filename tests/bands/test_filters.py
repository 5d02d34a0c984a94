from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from monai_cwmi.bands.filters import (
    band_filters,
    fft_frequencies,
    mirrored,
    orientation_axes,
    residual_filters,
)
from monai_cwmi.bands.spec import fitting_levels, pyramid_spec, relative_spacing

SHAPES = [(16, 16), (17, 24), (33, 21), (64, 40)]


def grid(shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    return fft_frequencies(shape[0]), fft_frequencies(shape[1])


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0)])
def test_a_single_slice_has_no_level_in_space_unless_it_is_thick(spacing: tuple[float, ...]) -> None:
    assert fitting_levels((1, 16, 20), 3, spacing) == 0
    assert fitting_levels((1, 16, 20), 3, (2.8, 1.0, 1.9)) == 1


@pytest.mark.parametrize(("shape", "expected"), [((2, 9), 0), ((3, 3), 1), ((4, 9), 1), ((5, 5), 2), ((8, 300), 2)])
def test_levels_that_fit(shape: tuple[int, int], expected: int) -> None:
    assert fitting_levels(shape, 4) == expected


@pytest.mark.parametrize("size", [3, 4, 5, 8, 9, 16, 17, 31])
def test_the_coarsest_fitting_level_passes_a_frequency_of_each_axis_and_the_next_does_not(size: int) -> None:
    level = fitting_levels((size, size), 10)
    for candidate, expected in ((level, True), (level + 1, False)):
        filters = band_filters(grid((size, size)), (size, size), candidate, 4)
        on_axes = filters[:, 0].abs().sum() > 0, filters[:, :, 0].abs().sum() > 0
        assert on_axes == (expected, expected)


@pytest.mark.parametrize("size", [4, 7])
def test_frequencies_are_integers_in_the_order_of_the_transform(size: int) -> None:
    wave = torch.exp(2j * math.pi * fft_frequencies(size)[-2] * torch.arange(size) / size)
    assert torch.fft.fft(wave).abs().argmax() == size - 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_orientations", [2, 3, 4, 12])
def test_the_real_frame_is_tight(shape: tuple[int, int], num_orientations: int) -> None:
    levels = 3
    total = residual_filters(grid(shape), shape, levels).square()
    for level in range(1, levels + 1):
        total += band_filters(grid(shape), shape, level, num_orientations, is_complex=False).square().sum(0)
    # What is missing from one is the square of the high-pass residual.
    torch.testing.assert_close(total, residual_filters(grid(shape), shape, 0).square(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("frequency_grid", ["centred", "published"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_real_filter_is_symmetric_and_the_real_part_of_the_complex_one(
    shape: tuple[int, int], frequency_grid: str
) -> None:
    frequencies = grid(shape)
    opposite = (mirrored(frequencies[0], shape[0]), mirrored(frequencies[1], shape[1]))
    analytic, reverse = (band_filters(q, shape, 1, 4, True, frequency_grid) for q in (frequencies, opposite))
    real = band_filters(frequencies, shape, 1, 4, False, frequency_grid)
    torch.testing.assert_close(real, band_filters(opposite, shape, 1, 4, False, frequency_grid), rtol=0, atol=1e-12)
    if frequency_grid == "centred":
        torch.testing.assert_close(real, (analytic + reverse) / 2, rtol=0, atol=1e-12)
        assert (analytic * reverse).abs().max() < 1e-12  # a half plane each


@pytest.mark.parametrize("frequency_grid", ["centred", "published"])
@pytest.mark.parametrize("is_complex", [True, False])
def test_no_band_holds_the_mean(frequency_grid: str, is_complex: bool) -> None:
    for level in range(1, 4):
        filters = band_filters(grid((16, 16)), (16, 16), level, 4, is_complex, frequency_grid)
        assert filters[:, 0, 0].abs().max() == 0


def test_the_published_grid_is_one_bin_off() -> None:
    rows, columns = grid((32, 32))
    centred = band_filters((rows + 1, columns + 1), (32, 32), 2, 4)
    published = band_filters((rows, columns), (32, 32), 2, 4, frequency_grid="published")
    torch.testing.assert_close(centred, published)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((0, 4, True, "centred"), "num_levels"),
        ((4, 1, True, "centred"), "num_orientations"),
        ((4, 4, True, "centred", (1.0, 1.0, 1.0)), "num_orientations must be 3 or 6"),
        ((4, 4, True, "centered"), "frequency_grid"),
        ((4, 6, True, "published", (1.0, 1.0, 1.0)), "published"),
        ((4, 4, True, "published", (1.0, 2.0)), "published"),
    ],
)
def test_options_out_of_range_are_named(options: tuple[Any, ...], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        pyramid_spec(
            options[4] if len(options) > 4 else (1.0, 1.0),
            num_levels=options[0],
            num_orientations=options[1],
            is_complex=options[2],
            frequency_grid=options[3],
        )


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 0.0), (1.0, -2.0), (1.0, math.nan), (1.0, math.inf)])
def test_a_spacing_that_makes_no_sense_is_named(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="spacing must be 2 positive"):
        relative_spacing(spacing, 2)


@pytest.mark.parametrize("num_orientations", [3, 6])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.5, 4.0)])
@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 24, 8)])
def test_the_real_frame_is_tight_in_space(
    shape: tuple[int, int, int], spacing: tuple[float, ...], num_orientations: int
) -> None:
    frequencies = tuple(fft_frequencies(n) for n in shape)
    total = residual_filters(frequencies, shape, 2, spacing).square()
    for level in (1, 2):
        filters = band_filters(frequencies, shape, level, num_orientations, is_complex=False, spacing=spacing)
        assert filters.shape == (num_orientations, *shape)
        total += filters.square().sum(0)
    torch.testing.assert_close(total, residual_filters(frequencies, shape, 0, spacing).square(), rtol=0, atol=1e-12)


def test_the_six_orientations_are_an_icosahedrons() -> None:
    axes = orientation_axes(6, 3)
    cosines = (axes @ axes.mT).abs()
    expected = torch.full((6, 6), 1 / math.sqrt(5), dtype=torch.float64).fill_diagonal_(1)
    torch.testing.assert_close(cosines, expected)


@pytest.mark.parametrize("level", [1, 2])
def test_a_coarse_axis_has_the_filters_of_a_fine_one_up_to_its_nyquist(level: int) -> None:
    # 3 mm against 1 mm: the same extent in millimetres has a third of the samples, and a third of the frequencies.
    fine, coarse = (24, 24), (24, 8)
    expected = band_filters(grid(fine), fine, level, 4)
    found = band_filters(grid(coarse), coarse, level, 4, spacing=(1.0, 3.0))
    inner = torch.arange(-3, 4)
    torch.testing.assert_close(found[:, :, inner], expected[:, :, inner], rtol=0, atol=1e-12)
    assert found[:, :, 4].abs().max() == 0  # Nyquist's frequency has no direction
