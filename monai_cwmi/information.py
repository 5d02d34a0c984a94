"""Entropy and mutual information of jointly Gaussian bands, from their covariances.

Small ``K x K`` matrices in float64. ``docs/mathematics.md``, sections 'The information' and 'Numbers that do not
break', derives each line. No factorisation here raises and none waits for a GPU: NaN in, NaN out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class BandCovariances(NamedTuple):
    """Covariances at each level, as sums over pixels, of prediction ``p`` and residual ``d = y - c p`` of target ``y``.

    Attributes:
        prediction: ``G_PP``, ``(N, B, C, K, K)``, real symmetric.
        residual: ``G_DD``, ``(N, B, C, K, K)``, real symmetric.
        cross: ``G_DP``, ``(N, B, C, K, K)``; complex in the complex pyramid, else real.
        coefficient: ``c``, ``(N, B, C)``, regression coefficient of the target on the prediction; no gradient.
    """

    prediction: Tensor
    residual: Tensor
    cross: Tensor
    coefficient: Tensor


def conditional_entropy_terms(covariances: BandCovariances, alpha: float, rounding: float) -> Tensor:
    r"""Conditional entropy term ``h = log det C`` of each level.

    :math:`C = G_{YY} - G_{YP} (G_{PP} + \alpha I)^{-1} G_{YP}^H`, the covariance of what a ridge regression on the
    prediction's bands leaves of the target's.

    Args:
        covariances: Matrices ``(N, B, C, K, K)``.
        alpha: The ridge of the regression of target on prediction.
        rounding: Bound of the covariances' rounding errors, relative to their traces.

    Returns:
        ``(N, B, C)``, natural logarithm.
    """
    return _terms(covariances, alpha, rounding)[0]


def mutual_information_terms(covariances: BandCovariances, alpha: float, rounding: float) -> Tensor:
    """Mutual information ``I = log det G_YY - log det C`` of each level; its gradient is that of ``-h``.

    Args:
        covariances: Matrices ``(N, B, C, K, K)``.
        alpha: The ridge of the regression of target on prediction.
        rounding: Bound of the covariances' rounding errors, relative to their traces.

    Returns:
        ``(N, B, C)``, natural logarithm.
    """
    conditional, own = _terms(covariances, alpha, rounding)
    return own - conditional


def target_covariance(covariances: BandCovariances) -> Tensor:
    """``G_YY`` of the target ``y = d + c p``, ``(N, B, C, K, K)``, without gradient."""
    prediction, residual, cross, c = (t.detach() for t in covariances)
    c = c[..., None, None]
    return residual + c * (cross + cross.mH).real + c.square() * prediction


def _terms(covariances: BandCovariances, alpha: float, rounding: float) -> tuple[Tensor, Tensor]:
    r"""``log det C`` and, without gradient, ``log det G_YY``, ``(N, B, C)`` each.

    ``C`` is the covariance of what the ridge regression :math:`B` of target on prediction leaves, plus
    :math:`\alpha B B^H`. In this form nothing large cancels, and as ``B`` minimises it, an error in ``B`` counts squared
    only; its gradient, zero at the minimum, is left out.
    """
    prediction, residual, cross, coefficient = covariances
    with torch.no_grad():
        target = target_covariance(covariances)
        identity = torch.eye(target.shape[-1], dtype=target.dtype, device=target.device)
        null_prediction, null_target = _null_ridge(torch.stack((prediction, target)), alpha, rounding)
        noise = alpha * identity + null_prediction
        # The regression of the residual d = y - c p; that of y is larger by c I.
        c = coefficient[..., None, None] * identity
        residual_b = (cross - c @ noise) @ _inverse(prediction + noise).to(cross.dtype)
        b = residual_b + c
        # Lest rounding errors count as information, the same is added to both. They mostly average out, so that a
        # fortieth of their bound will nearly always do; where not, take it whole.
        common = rounding * _trace(residual) * identity
        ridge = null_target + common / 40
        noise_left = alpha * b @ b.mH
        conditional = _unexplained(prediction, residual, cross, residual_b) + noise_left
        indefinite = torch.linalg.cholesky_ex(conditional + ridge).info > 0  # (N, B, C)
        ridge = ridge + torch.where(indefinite[..., None, None], common, 0.0)
    return _LogDet.apply(prediction, residual, cross, residual_b, noise_left + ridge), _log_det(target + ridge)


def _unexplained(prediction: Tensor, residual: Tensor, cross: Tensor, b: Tensor) -> Tensor:
    """Covariance of ``d - B p``, ``(..., K, K)``."""
    explained = b @ cross.mH
    return residual - explained - explained.mH + b @ prediction.to(b.dtype) @ b.mH


class _LogDet(torch.autograd.Function):
    """Log determinant of the covariance of ``d - B p`` plus a constant, with ``B`` fixed."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, residual: Tensor, cross: Tensor, b: Tensor, constant: Tensor) -> Tensor:
        factor = torch.linalg.cholesky_ex(_unexplained(prediction, residual, cross, b) + constant).L
        inverse = torch.cholesky_inverse(factor)
        weighted = inverse @ b
        gradients = (b.mH @ weighted).real, inverse.real, -2 * weighted
        ctx.save_for_backward(*gradients)
        return 2 * factor.diagonal(dim1=-2, dim2=-1).real.log().sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return *(grad[..., None, None] * gradient for gradient in ctx.saved_tensors), None, None


def _null_ridge(matrix: Tensor, alpha: float, rounding: float) -> Tensor:
    """A ridge for the directions in which a covariance matrix holds nothing but its rounding error ``r``.

    ``r (r (G + r I)^-1)^4`` is ``r`` there and vanishes where the matrix does hold something, so that the conditional
    covariance of a near-perfect prediction, smaller than ``r`` by far, keeps its value. What is small against
    ``alpha``, the scale of what counts as information, counts as nothing too.
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    floor = 20 * rounding * alpha
    r = rounding * _trace(matrix) + floor
    return r * torch.linalg.matrix_power(r * _inverse(matrix + r * identity), 4) + floor * identity


def _inverse(matrix: Tensor) -> Tensor:
    return torch.cholesky_inverse(torch.linalg.cholesky_ex(matrix).L)


def _log_det(matrix: Tensor) -> Tensor:
    factor = torch.linalg.cholesky_ex(matrix).L
    return 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
