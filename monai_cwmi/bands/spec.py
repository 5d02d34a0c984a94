"""What a pyramid is asked for: its options, their checks, and the levels that fit into an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

FrequencyGrid = Literal["centred", "published"]

# Power of the cosine in a lobe, for the numbers of orientations in space.
ORDER_IN_SPACE = {3: 1, 6: 2}


class PyramidSpec(NamedTuple):
    """Options of a steerable pyramid: all that its filters depend on besides the size of the image.

    Attributes:
        num_levels: ``N``.
        num_orientations: ``K``.
        is_complex: Analytic filters or real ones.
        frequency_grid: ``"centred"`` or ``"published"``.
        spacing: Of the samples along each axis of the image, in units of the finest; says how many axes there are.
    """

    num_levels: int
    num_orientations: int
    is_complex: bool
    frequency_grid: FrequencyGrid
    spacing: tuple[float, ...] = (1.0, 1.0)

    @property
    def spatial_dims(self) -> int:
        """Number of axes of an image, 2 or 3."""
        return len(self.spacing)

    @property
    def in_quadrature(self) -> bool:
        """Whether real and imaginary parts are compared as bands of their own: in the complex pyramid of volumes."""
        return self.is_complex and self.spatial_dims == 3

    @property
    def num_bands(self) -> int:
        """Number ``F`` of a level's bands as they are compared."""
        return 2 * self.num_orientations if self.in_quadrature else self.num_orientations

    @property
    def numbers(self) -> list[float]:
        """A pyramid on the centred grid as numbers, which an operator of torch takes as one argument."""
        return [self.num_levels, self.num_orientations, self.is_complex, *self.spacing]


def spec_of_numbers(numbers: Sequence[float]) -> PyramidSpec:
    """The pyramid with these :attr:`PyramidSpec.numbers`.

    Example:
        >>> spec_of_numbers(PyramidSpec(4, 6, True, "centred", (1.0, 1.0, 3.0)).numbers).spacing
        (1.0, 1.0, 3.0)
    """
    num_levels, num_orientations, is_complex, *spacing = numbers
    return PyramidSpec(int(num_levels), int(num_orientations), bool(is_complex), "centred", tuple(spacing))


@dataclass(frozen=True)
class BandOptions:
    """How images are split into bands: the keyword options of the public functions and of the loss.

    ``monai_cwmi.bands.volumes.views`` checks them and says what they mean for images of two or three axes.

    Attributes:
        num_levels: ``N``.
        num_orientations: ``K``; ``None`` for 4 in the plane and 6 in space.
        is_complex: Complex pyramid or real one.
        frequency_grid: ``"centred"`` or ``"published"``.
        slice_dims: Spatial axes along which volumes are cut into slices; ``None`` for volumes as a whole.
        spacing: Of the samples along each axis, in any unit of length; ``None`` for the same along all.
        only_comparable: Leave out the levels at which images have too few independent coefficients, and unrelated ones
            explain each other: see ``monai_cwmi.bands.independence``.
    """

    num_levels: int = 4
    num_orientations: int | None = None
    is_complex: bool = True
    frequency_grid: FrequencyGrid = "centred"
    slice_dims: Sequence[int] | None = (-1,)
    spacing: Sequence[float] | None = None
    only_comparable: bool = False


def pyramid_spec(
    spacing: tuple[float, ...],
    *,
    num_levels: int,
    num_orientations: int | None,
    is_complex: bool,
    frequency_grid: FrequencyGrid,
) -> PyramidSpec:
    """Check the options of a pyramid and fill in the number of orientations.

    Args:
        spacing: Of the samples along each axis, in units of the finest.
        num_levels: ``N``.
        num_orientations: ``K``; ``None`` for the default.
        is_complex: Complex pyramid or real one.
        frequency_grid: ``"centred"`` or ``"published"``.

    Raises:
        ValueError: When an option is out of its range; the message names it.
    """
    orientations = default_orientations(len(spacing)) if num_orientations is None else num_orientations
    if num_levels < 1:
        raise ValueError(f"num_levels must be at least 1, got {num_levels}.")
    if len(spacing) == 2 and orientations < 2:
        raise ValueError(f"num_orientations must be at least 2, got {orientations}.")
    if len(spacing) == 3 and orientations not in ORDER_IN_SPACE:
        raise ValueError(f"num_orientations must be 3 or 6 in three dimensions, got {orientations}.")
    if frequency_grid not in get_args(FrequencyGrid):
        raise ValueError(f"frequency_grid must be one of {get_args(FrequencyGrid)}, got {frequency_grid!r}.")
    if frequency_grid == "published" and spacing != (1.0, 1.0):
        raise ValueError("frequency_grid 'published' knows images with square pixels only: take 'centred'.")
    return PyramidSpec(num_levels, orientations, is_complex, frequency_grid, spacing)


def default_orientations(spatial_dims: int) -> int:
    """Number of orientations where none is asked for: 4 in the plane, 6 in space."""
    return 4 if spatial_dims == 2 else 6


def relative_spacing(spacing: Sequence[float] | None, spatial_dims: int) -> tuple[float, ...]:
    """Spacing of the samples along each axis in units of the finest.

    Args:
        spacing: In any unit of length; ``None`` for the same along all axes.
        spatial_dims: Number of axes.

    Returns:
        Numbers from 1, rounded to five digits, so that a header's last digit does not make another pyramid.

    Raises:
        ValueError: When there are not as many numbers as axes, or not all are positive and finite.

    Example:
        >>> relative_spacing((0.75, 0.75, 3.0), 3)
        (1.0, 1.0, 4.0)
    """
    if spacing is None:
        return (1.0,) * spatial_dims
    try:
        values = [float(value) for value in spacing]
    except (TypeError, ValueError):
        values = []
    if len(values) != spatial_dims or not all(0 < value < math.inf for value in values):
        raise ValueError(f"spacing must be {spatial_dims} positive and finite numbers, got {spacing!r}.")
    return tuple(float(f"{value / min(values):.5g}") for value in values)


def fitting_levels(spatial_shape: Sequence[int], num_levels: int, spacing: Sequence[float] | None = None) -> int:
    """Number of levels, out of those wanted, that an image has room for.

    Level ``n`` passes frequencies between ``pi / 2**(n + 1)`` and ``pi / 2**(n - 1)``. The lowest frequency of an axis
    with ``S`` samples is ``2 pi / S``, so the band reaches beyond that of every axis if, and only if, ``S > 2**n``. Of
    samples that are ``s`` times as far apart as the finest, ``S s`` counts. (Of an axis coarser than the level's
    frequencies, a band may hold none.)

    Args:
        spatial_shape: Image size in pixels, one entry for each axis.
        num_levels: Number of levels wanted.
        spacing: Relative spacing of each axis's samples.

    Returns:
        The largest ``n <= num_levels`` with ``min(spatial_shape) > 2**n``, which is 0 below three pixels.

    Example:
        >>> fitting_levels((8, 300), 4), fitting_levels((17, 17), 4), fitting_levels((64, 64, 10), 4, (1, 1, 5))
        (2, 4, 4)
    """
    extent = min(size * step for size, step in zip(spatial_shape, spacing or [1.0] * len(spatial_shape), strict=True))
    return sum(extent > 2**level for level in range(1, num_levels + 1))
