from __future__ import annotations

import math

import pytest
import torch

from monai_cwmi.filters import (
    band_filters,
    check_pyramid_options,
    fft_frequencies,
    fitting_levels,
    mirrored,
    residual_filters,
)

SHAPES = [(16, 16), (17, 24), (33, 21), (64, 40)]


def grid(shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    return fft_frequencies(shape[0]), fft_frequencies(shape[1])


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
        ((0, 4, "centred"), "num_levels"),
        ((4, 1, "centred"), "num_orientations"),
        ((4, 4, "centered"), "frequency_grid"),
    ],
)
def test_options_out_of_range_are_named(options: tuple[int, int, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_pyramid_options(*options)
