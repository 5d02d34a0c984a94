"""How many independent coefficients a band has, and which levels have enough of them to be compared.

A regression of ``F`` bands on ``F`` bands explains a share ``F / M`` of anything by chance, where a band has ``M``
independent coefficients. At the coarse levels of a small image that is most of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from monai_cwmi.bands.filters import (
    angular_frequencies,
    at_nyquist,
    fft_frequencies,
    lobe_order,
    orientation_cosines,
    polar,
    radial_window,
    residual_filters,
)
from monai_cwmi.bands.spec import PyramidSpec

# Independent coefficients for each regressor: two unrelated images then have at most a tenth of the information about
# each other that they have about themselves.
COEFFICIENTS_PER_REGRESSOR = 2.5

# Share of the independent coefficients of all frequencies up to a level's highest that its window holds, by axes.
_RADIAL_SHARE = {2: 0.4308, 3: 0.2650}


def comparable_levels(spatial_shape: Sequence[int], spec: PyramidSpec) -> int:
    """Number of levels, out of those of a pyramid, that have 2.5 independent coefficients for each of their bands.

    They are those of bands in a large image, :func:`independent_coefficients`, for each of its pixels. As a formula
    ``torch.compile`` can take it for sizes that it does not know.

    Args:
        spatial_shape: Size of an image, or of a slice, in pixels.
        spec: The pyramid.

    Example:
        >>> spec = PyramidSpec(4, 4, True, "centred")
        >>> comparable_levels((128, 128), spec), comparable_levels((64, 64), spec), comparable_levels((6, 6), spec)
        (4, 4, 0)
    """
    share = _RADIAL_SHARE[spec.spatial_dims] * _angular_share(spec.num_orientations, spec.spatial_dims)

    def is_comparable(level: int) -> bool:
        count = share
        for size, step in zip(spatial_shape, spec.spacing, strict=True):
            count = count * size * min(step / 2 ** (level - 1), 1.0)  # a coarse axis has no higher frequencies
        return count >= COEFFICIENTS_PER_REGRESSOR * spec.num_bands

    return sum(is_comparable(level) for level in range(1, spec.num_levels + 1))


def _angular_share(num_orientations: int, dims: int) -> float:
    """``(mean w)^2 / mean w^2`` over directions of the squared lobe ``w = cos^2m``."""
    order = lobe_order(num_orientations, dims)
    if dims == 2:
        return math.comb(2 * order, order) ** 2 / math.comb(4 * order, 2 * order)
    return (4 * order + 1) / (2 * order + 1) ** 2


@lru_cache(maxsize=256)
def independent_coefficients(spatial_shape: tuple[int, ...], spec: PyramidSpec) -> tuple[float, ...]:
    """``(sum w)^2 / sum w^2`` over the squared filters of the real pyramid on the centred grid.

    Args:
        spatial_shape: Size of an image in pixels.
        spec: The pyramid, of no more levels than fit.

    Returns:
        Of the high-pass band, of each level (the mean over its bands) and of the low-pass band.
    """
    *others, last = spatial_shape
    half_space = (*(fft_frequencies(size) for size in others), torch.arange(last // 2 + 1, dtype=torch.float64))
    own_mirror = (half_space[-1] == 0) | (2 * half_space[-1] == last)
    times = torch.where(own_mirror, 1.0, 2.0).double().expand(*(len(q) for q in half_space)).flatten()
    radius, direction = polar(angular_frequencies(half_space, spatial_shape, spec.spacing).flatten(0, -2))
    radius = radius.masked_fill(at_nyquist(half_space, spatial_shape).flatten(), torch.inf)

    def count(squared: Tensor, times: Tensor) -> float:
        return float(((times @ squared).square() / (times @ squared.square())).mean())

    above, below = (
        residual_filters(half_space, spatial_shape, level, spec.spacing).square().flatten()[:, None]
        for level in (0, spec.num_levels)
    )
    counts = [count(1 - above, times)]
    for level in range(1, spec.num_levels + 1):
        window = radial_window(radius, level)
        inside = window > 0
        cosines = orientation_cosines(direction[inside], spec.num_orientations)
        lobes = cosines.square() ** lobe_order(spec.num_orientations, len(spatial_shape))  # (q, K)
        counts.append(count(window[inside].square()[:, None] * lobes, times[inside]))
    return (*counts, count(below, times))
