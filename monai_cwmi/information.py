"""Entropy and mutual information of jointly Gaussian bands, from their covariances.

Small ``K x K`` matrices in float64. ``docs/mathematics.md``, sections 'The information' and 'Numbers that do not
break', derives each line. No factorisation here raises and none waits for a GPU: NaN in, NaN out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from monai_cwmi.spectral import BandCovariances


def conditional_entropy_terms(covariances: BandCovariances, alpha: float, rounding: float) -> Tensor:
    """Conditional entropy term ``h = log det C`` of each level.

    Args:
        covariances: Matrices ``(N, B, C, K, K)``.
        alpha: The ridge of the regression of target on prediction.
        rounding: Bound of the covariances' rounding errors, relative to their traces.

    Returns:
        ``(N, B, C)``, natural logarithm.
    """
    conditional, ridge = _conditional_covariance_and_ridge(covariances, alpha, rounding)
    return _log_det(conditional + ridge)


def mutual_information_terms(covariances: BandCovariances, alpha: float, rounding: float) -> Tensor:
    """Mutual information ``I = log det G_YY - log det C`` of each level; its gradient is that of ``-h``.

    Args:
        covariances: Matrices ``(N, B, C, K, K)``.
        alpha: The ridge of the regression of target on prediction.
        rounding: Bound of the covariances' rounding errors, relative to their traces.

    Returns:
        ``(N, B, C)``, natural logarithm.
    """
    conditional, ridge = _conditional_covariance_and_ridge(covariances, alpha, rounding)
    return _log_det(covariances.target + ridge) - _log_det(conditional + ridge)


class Residual(NamedTuple):
    """Covariances of a residual ``d = y - c p`` and the prediction ``p``, ``(N, B, C, K, K)``.

    Attributes:
        own: ``G_DD``.
        cross: ``G_DP``.
        prediction: ``G_PP``.
        coefficient: ``c``, ``(N, B, C, 1, 1)``.
    """

    own: Tensor
    cross: Tensor
    prediction: Tensor
    coefficient: Tensor


def smaller_residual(covariances: BandCovariances) -> Residual:
    """The residual ``y - c p``, or ``y`` itself (``c = 0``) at levels at which that is the smaller of the two.

    The conditional covariance does not depend on ``c``, but its rounding errors grow with the residual they start from.
    """
    target, prediction, residual, target_cross, residual_cross, c = covariances
    subtract = _trace(residual.detach()) < _trace(target)  # (N, B, C, 1, 1)
    return Residual(
        own=torch.where(subtract, residual, target),
        cross=torch.where(subtract, residual_cross, target_cross),
        prediction=prediction,
        coefficient=torch.where(subtract, c, 0.0),
    )


def conditional_covariance(residual: Residual, alpha: float, rounding: float) -> Tensor:
    r"""Covariance of the target's bands that the prediction's leave unexplained.

    :math:`C = G_{YY} - G_{YP} (G_{PP} + \alpha I)^{-1} G_{YP}^H`, computed as the covariance of what the ridge
    regression :math:`B` of target on prediction leaves, plus :math:`\alpha B B^H`. In this form nothing large cancels,
    and as ``B`` minimises it, an error in ``B`` counts squared only; its gradient, zero at the minimum, is left out.

    Args:
        residual: Matrices ``(N, B, C, K, K)``.
        alpha: The ridge of the regression.
        rounding: Bound of the covariances' rounding errors, relative to their traces.

    Returns:
        ``C``, ``(N, B, C, K, K)``, Hermitian.
    """
    own, cross, prediction, c = residual
    with torch.no_grad():
        identity = _identity_like(prediction)
        ridge = alpha * identity + _null_ridge(prediction, alpha, rounding)
        # The regression of the residual d = y - c p; that of y is larger by c I.
        residual_b = (cross - c * ridge) @ _inverse(prediction + ridge).to(cross.dtype)
        b = residual_b + c * identity
    explained = residual_b @ cross.mH
    unexplained = own - explained - explained.mH + residual_b @ prediction.to(cross.dtype) @ residual_b.mH
    return unexplained + alpha * b @ b.mH


def _conditional_covariance_and_ridge(
    covariances: BandCovariances, alpha: float, rounding: float
) -> tuple[Tensor, Tensor]:
    """``C``, and what is to be added to ``C`` and to ``G_YY`` alike, lest rounding errors count as information."""
    residual = smaller_residual(covariances)
    conditional = conditional_covariance(residual, alpha, rounding)
    with torch.no_grad():
        common = rounding * _trace(residual.own) * _identity_like(residual.own)
        # Errors mostly average out, so a fortieth of their bound will nearly always do; where not, take it whole.
        ridge = _null_ridge(covariances.target, alpha, rounding) + common / 40
        indefinite = torch.linalg.cholesky_ex(conditional + ridge).info > 0  # (N, B, C)
        return conditional, ridge + torch.where(indefinite[..., None, None], common, 0.0)


def _null_ridge(matrix: Tensor, alpha: float, rounding: float) -> Tensor:
    """A ridge for the directions in which a covariance matrix holds nothing but its rounding error ``r``.

    ``r (r (G + r I)^-1)^4`` is ``r`` there and vanishes where the matrix does hold something, so that the conditional
    covariance of a near-perfect prediction, smaller than ``r`` by far, keeps its value. What is small against
    ``alpha``, the scale of what counts as information, counts as nothing too.
    """
    identity = _identity_like(matrix)
    floor = 20 * rounding * alpha
    r = rounding * _trace(matrix) + floor
    return r * torch.linalg.matrix_power(r * _inverse(matrix + r * identity), 4) + floor * identity


def _inverse(matrix: Tensor) -> Tensor:
    return torch.cholesky_inverse(torch.linalg.cholesky_ex(matrix).L)


def _log_det(matrix: Tensor) -> Tensor:
    factor = torch.linalg.cholesky_ex(matrix).L
    return 2 * factor.diagonal(dim1=-2, dim2=-1).real.log().sum(-1)


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]


def _identity_like(matrix: Tensor) -> Tensor:
    return torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
