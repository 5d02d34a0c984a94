"""How many coefficients a level has: the formula against the count over the filters."""

from __future__ import annotations

import pytest

from monai_cwmi.bands.independence import COEFFICIENTS_PER_REGRESSOR, comparable_levels, independent_coefficients
from monai_cwmi.bands.spec import PyramidSpec, fitting_levels


def spec_of(shape: tuple[int, ...], spacing: tuple[float, ...] | None = None, orientations: int = 4) -> PyramidSpec:
    steps = spacing or (1.0,) * len(shape)
    return PyramidSpec(fitting_levels(shape, 4, steps), orientations, True, "centred", steps)


@pytest.mark.parametrize(
    ("shape", "orientations"),
    [((n, n), k) for n in (16, 24, 40, 64, 96, 128) for k in (2, 4, 12)]
    + [((36, 52), 4), ((24, 24, 24), 6), ((32, 48, 40), 3), ((64, 64, 64), 6)],
)
def test_the_levels_are_those_that_counting_over_the_filters_gives(shape: tuple[int, ...], orientations: int) -> None:
    spec = spec_of(shape, orientations=orientations)
    counts = independent_coefficients(shape, spec)[1:-1]
    wanted = [count / spec.num_bands / COEFFICIENTS_PER_REGRESSOR for count in counts]
    found = comparable_levels(shape, spec)
    assert all(share > 0.9 for share in wanted[:found])
    assert all(share < 1.1 for share in wanted[found:])


@pytest.mark.parametrize(
    ("shape", "spacing"), [((64, 24), (1.0, 3.0)), ((96, 96, 24), (1.0, 1.0, 4.0)), ((40, 40, 12), (1.0, 1.0, 3.0))]
)
def test_a_coarse_axis_has_no_finer_frequencies_than_its_own(
    shape: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    spec = spec_of(shape, spacing, 4 if len(shape) == 2 else 6)
    counts = independent_coefficients(shape, spec)[1:-1]
    found = comparable_levels(shape, spec)
    assert all(count > 0.9 * COEFFICIENTS_PER_REGRESSOR * spec.num_bands for count in counts[:found])
    assert found < comparable_levels(tuple(8 * n for n in shape), spec) or found == spec.num_levels


def test_independent_coefficients_of_all_bands_are_at_most_those_of_the_image() -> None:
    counts = independent_coefficients((64, 64), spec_of((64, 64)))
    assert max(counts) < 64 * 64
    assert list(counts[1:-1]) == sorted(counts[1:-1], reverse=True)
