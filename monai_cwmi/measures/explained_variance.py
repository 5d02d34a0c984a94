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
    r"""Adjusted coefficient of determination of the regression of the target's bands on the prediction's.

    .. math::
        R^2_n = \frac{tr\left(G_{YP} (G_{PP} + \alpha I)^{-1} G_{YP}^H\right)}{tr\, G_{YY}}, \qquad
        \bar R^2_n = 1 - (1 - R^2_n) \frac{M_n}{M_n - F}

    with :math:`F` bands of :math:`M_n` independent coefficients each. Unrelated images have :math:`R^2 \approx F / M`
    by chance, and :math:`\bar R^2` around 0, or down to -0.2 at the coarsest level that counts, as neighbouring bands
    share coefficients. It is NaN where :math:`M \le F`.

    Args:
        alpha: The ridge of the regression. A target with less variance than this has none to explain: NaN.

    Raises:
        ValueError: When ``alpha`` is not positive and finite.

    References:
        D. Stewart and W. Love, "A general canonical correlation index", Psychological Bulletin 70(3), 1968 (the
        redundancy index, which this share is); M. Ezekiel, "Methods of Correlation Analysis", Wiley, 1930 (the
        adjustment).
    """

    name: ClassVar[str] = "explained_variance"
    unit: ClassVar[str] = ""
    sign: ClassVar[int] = 1
    alpha: float = 5e-4

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    def values(self, moments: Moments) -> Tensor:
        """Explained variance less what is explained by chance, as a sum over pixels."""
        cross, prediction = moments.cross, moments.prediction
        identity = torch.eye(prediction.shape[-1], dtype=prediction.dtype, device=prediction.device)
        regressed = torch.linalg.solve((prediction + self.alpha * identity).to(cross.dtype), cross.mH)
        explained = trace((cross @ regressed).real)
        num_bands = prediction.shape[-1]
        count = moments.num_independent.reshape(-1, *[1] * (explained.ndim - 1))
        by_chance = (trace(moments.target) - explained) * num_bands / (count - num_bands)
        return torch.where(count > num_bands, explained - by_chance, torch.nan)

    def weights(self, moments: Moments) -> Tensor:
        """The target's variance, as a sum over pixels."""
        return trace(moments.target)

    def ratio(self, values: Tensor, weights: Tensor) -> Tensor:
        """The share; NaN where there is nothing to explain."""
        return torch.where(weights > self.alpha, values / weights, torch.nan)
