"""How images are compared: as they are, a volume slice by slice along one axis or more, or a volume as a whole.

``docs/explanation/mathematics.md``, section 'Volumes', says when to take which.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_cwmi.bands.filters import (
    FrequencyGrid,
    PyramidSpec,
    check_pyramid_options,
    default_orientations,
    relative_spacing,
)

# A target that varies less than this along a slice has nothing to compare.
_CONSTANT = 1e-6


class View(NamedTuple):
    """One way to look at images: the axis along which volumes are cut, if any, and the pyramid of what is then seen."""

    slice_dim: int | None
    spec: PyramidSpec

    @property
    def compared_axes(self) -> tuple[int, ...]:
        """Axes of a tensor ``(B, C, spatial)`` that the pyramid decomposes."""
        axes = range(2, 2 + len(self.spec.spacing) + (self.slice_dim is not None))
        return tuple(axis for axis in axes if self.slice_dim is None or axis != 2 + self.slice_dim)


def views(
    spatial_dims: int,
    slice_dims: Sequence[int] | None,
    spacing: Sequence[float] | None,
    *,
    num_levels: int,
    num_orientations: int | None,
    is_complex: bool,
    frequency_grid: FrequencyGrid,
) -> list[View]:
    """What is compared of images of two or three axes.

    Args:
        spatial_dims: 2 or 3.
        slice_dims: Spatial axes of volumes, each of which gives a view; ``None`` for the volume as a whole.
        spacing: Of the samples along each axis, in any unit of length; ``None`` for the same along all.
        num_levels: ``N``.
        num_orientations: ``K``; ``None`` for 4 in the plane and 6 in space.
        is_complex: Complex pyramid or real one.
        frequency_grid: ``"centred"`` or ``"published"``.

    Raises:
        ValueError: When an option is out of its range.
    """

    def spec(steps: tuple[float, ...]) -> PyramidSpec:
        orientations = default_orientations(len(steps)) if num_orientations is None else num_orientations
        pyramid = PyramidSpec(num_levels, orientations, is_complex, frequency_grid, steps)
        check_pyramid_options(pyramid)
        return pyramid

    steps = relative_spacing(spacing, spatial_dims)
    if spatial_dims == 2 or slice_dims is None:
        return [View(None, spec(steps))]
    axes = _axes(slice_dims)
    if len(axes) == 1:  # the axis that is cut along is not looked along, however fine it is
        (axis,) = axes
        return [View(axis, spec(relative_spacing(steps[:axis] + steps[axis + 1 :], 2)))]
    return [View(axis, spec(steps[:axis] + steps[axis + 1 :])) for axis in axes]


def mean_over_slices(values: Tensor, target: Tensor, view: View) -> Tensor:
    """Mean ``(N, B, C)`` of values ``(N, B, C, S)`` over the slices in which the target ``(B, C, H, W, D)`` varies.

    The others say nothing, and would dilute a small organ. Where it varies in no slice, the mean is that of all.
    """
    span = target.amax(view.compared_axes) - target.amin(view.compared_axes)  # (B, C, S)
    informative = span > _CONSTANT
    counted = (informative | ~informative.any(-1, keepdim=True)).to(values.dtype)
    return (values * counted).sum(-1) / counted.sum(-1)


def mean_over_views(values: Sequence[Tensor]) -> Tensor:
    """Mean of values ``(N_v, B, C)``, at each level over the views that have it, ``(max N_v, B, C)``."""
    levels = [[v[n] for v in values if len(v) > n] for n in range(max(len(v) for v in values))]
    if not levels:
        return values[0]
    return torch.stack([torch.stack(level).mean(0) for level in levels])


def _axes(slice_dims: Sequence[int]) -> list[int]:
    try:
        indices = [operator.index(axis) for axis in slice_dims]
    except TypeError:
        indices = []
    axes = sorted({axis % 3 for axis in indices if -3 <= axis < 3})
    if not axes or len(axes) != len(indices):
        raise ValueError(
            f"slice_dims must be different spatial axes, as (2,) or (0, 1, 2), or None; got {slice_dims!r}."
        )
    return axes
