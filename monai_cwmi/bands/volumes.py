"""How images are compared: as they are, a volume slice by slice along one axis or more, or a volume as a whole.

``docs/explanation/mathematics.md``, section 'Volumes', says when to take which.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_cwmi.bands.spec import BandOptions, PyramidSpec, pyramid_spec, relative_spacing

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


def views(spatial_dims: int, options: BandOptions) -> list[View]:
    """What is compared of images of two or three axes.

    Args:
        spatial_dims: 2 or 3.
        options: How they are split into bands. Each of ``slice_dims`` gives a view of volumes.

    Raises:
        ValueError: When an option is out of its range.

    Example:
        >>> [view.slice_dim for view in views(3, BandOptions(slice_dims=(0, 1, 2)))]
        [0, 1, 2]
    """

    def spec(spacing: tuple[float, ...]) -> PyramidSpec:
        return pyramid_spec(
            spacing,
            num_levels=options.num_levels,
            num_orientations=options.num_orientations,
            is_complex=options.is_complex,
            frequency_grid=options.frequency_grid,
        )

    steps = relative_spacing(options.spacing, spatial_dims)
    if spatial_dims == 2 or options.slice_dims is None:
        return [View(None, spec(steps))]
    axes = _axes(options.slice_dims)
    if len(axes) == 1:  # the axis that is cut along is not looked along, however fine it is
        (axis,) = axes
        return [View(axis, spec(relative_spacing(steps[:axis] + steps[axis + 1 :], 2)))]
    return [View(axis, spec(steps[:axis] + steps[axis + 1 :])) for axis in axes]


def informative_slices(target: Tensor, view: View) -> Tensor:
    """Where the target ``(B, C, H, W, D)`` varies within a slice, ``(B, C, S)``; everywhere, if it varies in none.

    The other slices say nothing of structure, and would dilute a small organ.
    """
    span = target.amax(view.compared_axes) - target.amin(view.compared_axes)  # (B, C, S)
    varies = span > _CONSTANT
    return varies | ~varies.any(-1, keepdim=True)


def mean_over_slices(values: Tensor, counted: Tensor) -> Tensor:
    """Mean ``(N, B, C)`` of values ``(N, B, C, S)`` over the slices that count, ``(B, C, S)``."""
    weights = counted.to(values.dtype)
    return (values * weights).sum(-1) / weights.sum(-1)


def mean_over_views(values: Sequence[Tensor]) -> Tensor:
    """Mean of values ``(N_v, B, C)``, at each level over the views that have it, ``(max N_v, B, C)``."""
    if len(values) == 1:
        return values[0]
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
