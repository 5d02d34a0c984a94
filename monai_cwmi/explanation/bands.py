"""The bands of target and prediction, to look at."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from monai_cwmi.bands.pyramid import SteerablePyramid


class Bands(NamedTuple):
    """Bands of a plane image, or those of a slice of a volume.

    Attributes:
        target: ``(K, h_n, w_n)`` complex for each level, finest first.
        prediction: The same.
        axes: Directions along which the bands' waves run, ``(K, 2)``: along the first and the second axis of the image.
    """

    target: list[Tensor]
    prediction: list[Tensor]


def compute_bands(
    prediction: Tensor,
    target: Tensor,
    *,
    num_levels: int = 4,
    num_orientations: int | None = None,
    spacing: tuple[float, ...] | None = None,
) -> Bands:
    """Split prediction and target of one class into the bands that the loss compares.

    Args:
        prediction: ``(X, Y)`` or ``(X, Y, Z)``, floating point.
        target: The same shape.
        num_levels: ``N``.
        num_orientations: ``K``.
        spacing: Size of a pixel or voxel along each axis.

    Example:
        >>> target = torch.zeros(64, 48)
        >>> target[16:48, 8:40] = 1
        >>> [tuple(level.shape) for level in compute_bands(target, target).prediction]
        [(4, 64, 48), (4, 32, 24), (4, 16, 12), (4, 8, 6)]
    """
    pyramid = SteerablePyramid(num_levels, num_orientations, spatial_dims=target.ndim, spacing=spacing)
    both = pyramid(torch.stack((target, prediction)).double()).bands  # (2, K, h, w) each
    return Bands([level[0] for level in both], [level[1] for level in both])
