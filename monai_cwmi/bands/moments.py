"""Second moments of the bands of a prediction and its target: what every measure is a function of."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Bound of a moment matrix's rounding errors relative to its trace, some ten times the largest ones measured. In float64
# those of the small matrices' algebra count.
ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-11}


class Moments(NamedTuple):
    """Second moments at several levels, as sums over a level's pixels, of the ``F`` bands that are compared.

    They are kept of the prediction ``p`` and of ``d = y - c p``, which is small where the prediction is good, so that
    no moment of the target ``y`` is a difference of large numbers. ``docs/explanation/mathematics.md``, section
    'Numbers that do not break', has the reason.

    Attributes:
        matrices: ``G_PP``, ``G_DD``, ``Re G_DP`` and, for complex bands, ``Im G_DP``, float64
            ``(4 or 3, N, B, C, F, F)``, or ``(4 or 3, N, B, C, S, F, F)`` of slices.
        coefficient: ``c``, float64 ``(N, B, C)`` or ``(N, B, C, S)``: any number serves; no gradient.
        num_independent: Number of independent coefficients of a band at each level, float64 ``(N,)``: the pixels that
            its filter leaves room for, whatever grid the level is sampled on.
        rounding: Bound of the rounding errors of ``matrices``, relative to their traces.
        in_quadrature: Whether real and imaginary parts of complex bands stand as bands of their own, so that the
            log-determinant is twice that of the complex bands.
    """

    matrices: Tensor
    coefficient: Tensor
    num_independent: Tensor
    rounding: float
    in_quadrature: bool = False

    @property
    def num_orientations(self) -> int:
        """``K``."""
        return self.matrices.shape[-1] // (2 if self.in_quadrature else 1)

    @property
    def prediction(self) -> Tensor:
        """``G_PP``, real ``(N, B, C[, S], F, F)``."""
        return self.matrices[0]

    @property
    def remainder(self) -> Tensor:
        """``G_DD``, real: what the coefficient leaves of the target."""
        return self.matrices[1]

    @property
    def remainder_cross(self) -> Tensor:
        """``G_DP``, complex for complex bands."""
        return torch.complex(self.matrices[2], self.matrices[3]) if len(self.matrices) == 4 else self.matrices[2]

    @property
    def target(self) -> Tensor:
        """``G_YY``, real."""
        return self._of_difference(self.coefficient)

    @property
    def cross(self) -> Tensor:
        """``G_YP``, complex for complex bands."""
        return self.remainder_cross + self._factor(self.coefficient) * self.prediction

    @property
    def error(self) -> Tensor:
        """``G_EE`` of the error ``y - p``, real."""
        return self._of_difference(self.coefficient - 1)

    def of_target_itself(self) -> Moments:
        """The moments of a perfect prediction, the target."""
        matrices = torch.zeros_like(self.matrices)
        matrices[0] = self.target
        return self._replace(matrices=matrices, coefficient=torch.ones_like(self.coefficient))

    def _of_difference(self, factor: Tensor) -> Tensor:
        """Moments of ``d + factor p``."""
        c, real = self._factor(factor), self.matrices[2]
        return self.remainder + c * (real + real.mT) + c.square() * self.prediction

    @staticmethod
    def _factor(coefficient: Tensor) -> Tensor:
        return coefficient[..., None, None]


class PyramidMoments(NamedTuple):
    """Moments of all bands of a pyramid.

    Attributes:
        levels: Of the oriented bands at levels 1 to ``N``.
        residuals: Of the high-pass band (level 0) and of the low-pass band with the mean (level ``N + 1``), two levels
            of one band each, as sums over the image's pixels; ``None`` where they were not asked for.
    """

    levels: Moments
    residuals: Moments | None = None
