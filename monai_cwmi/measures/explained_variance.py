"""The share of a target's variance that a prediction's bands explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from monai_cwmi.bands.moments import Moments
from monai_cwmi.measures.base import MomentMeasure, check_alpha, trace


@dataclass(frozen=True)
class ExplainedVariance(MomentMeasure):
    r"""Coefficient of determination :math:`R^2` of the regression of the target's bands on the prediction's.

    .. math::
        R^2_n = \frac{tr\left(G_{YP} (G_{PP} + \alpha I)^{-1} G_{YP}^H\right)}{tr\, G_{YY}}

    Args:
        alpha: The ridge of the regression. A target with less variance than this has none to explain: NaN.

    Raises:
        ValueError: When ``alpha`` is not positive and finite.

    References:
        D. Stewart and W. Love, "A general canonical correlation index", Psychological Bulletin 70(3), 1968 (the
        redundancy index, which this share is).
    """

    name: ClassVar[str] = "explained_variance"
    unit: ClassVar[str] = ""
    sign: ClassVar[int] = 1
    alpha: float = 5e-4

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    def values(self, moments: Moments) -> Tensor:
        """Explained variance, as a sum over pixels."""
        cross, prediction = moments.cross, moments.prediction
        identity = torch.eye(prediction.shape[-1], dtype=prediction.dtype, device=prediction.device)
        regressed = torch.linalg.solve((prediction + self.alpha * identity).to(cross.dtype), cross.mH)
        return trace((cross @ regressed).real)

    def weights(self, moments: Moments) -> Tensor:
        """The target's variance, as a sum over pixels."""
        return trace(moments.target)

    def ratio(self, values: Tensor, weights: Tensor) -> Tensor:
        """The share; NaN where there is nothing to explain."""
        return torch.where(weights > self.alpha, values / weights, torch.nan)
