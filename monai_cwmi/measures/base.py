"""What a measure is: moments of bands in, a number for each level, image and class out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from monai_cwmi.bands.moments import Moments


class Measure(ABC):
    """How much, or how little, a prediction's and a target's bands agree: a number for each level, image and class.

    Attributes:
        name: Its name in logs and tables, in ``snake_case``.
        unit: ``"nat"``, or empty for pure numbers.
        sign: 1 where more is better, -1 where less is.
        every_slice: Whether slices of a volume count in which the target is constant. Without, they are left out, so
            that empty slices do not dilute a small organ.
        parts: Names of its values in logs, where they are not those of levels.
        adds_up: Whether a loss takes the sum over levels, as of parts of one distance, and not their mean.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    sign: ClassVar[int]
    every_slice: ClassVar[bool] = False
    adds_up: ClassVar[bool] = False
    parts: ClassVar[tuple[str, ...]] = ()


class MomentMeasure(Measure):
    """A measure of the bands' second moments.

    One whose ``weights`` are ``None`` is averaged over the slices of a volume, and over its views, as it is. One with
    weights is a ratio: its values and weights are averaged first and divided afterwards.

    Attributes:
        of_residuals: Whether it is a function of the moments of the two residual bands, and not of the levels'.
    """

    of_residuals: ClassVar[bool] = False

    @abstractmethod
    def values(self, moments: Moments) -> Tensor:
        """Values, or the numerator of a ratio, ``(N, B, C)``, or ``(N, B, C, S)`` of slices."""

    def weights(self, moments: Moments) -> Tensor | None:
        """Denominator of a ratio, of the same shape, or ``None``."""
        return None

    def ratio(self, values: Tensor, weights: Tensor) -> Tensor:
        """The ratio ``(N, B, C)`` of means of values and weights."""
        return values / weights


class BandMeasure(Measure):
    """A measure of the bands as images. Volumes that are compared slice by slice count with every slice."""

    every_slice: ClassVar[bool] = True

    @abstractmethod
    def values(self, prediction: Tensor, target: Tensor, dims: int) -> Tensor:
        """Values of one level.

        Args:
            prediction: Bands ``(B, C, K, h, w[, d])``, or ``(B, C, S, K, h, w)`` of slices. The mean square over
                pixels and orientations is that of the image's part in the level.
            target: The same of the target.
            dims: Number of axes of a band, 2 or 3.

        Returns:
            ``(B, C)``, or ``(B, C, S)`` of slices.
        """


def check_alpha(alpha: float) -> None:
    """Raise a ``ValueError`` unless the ridge of the regression is positive and finite."""
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha must be positive and finite, got {alpha}.")


def trace(matrices: Tensor) -> Tensor:
    """Traces ``(...)`` of matrices ``(..., F, F)``."""
    return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)
