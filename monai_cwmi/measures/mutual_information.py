"""Entropy and mutual information of jointly Gaussian bands, from their covariances.

Small matrices in float64, of the ``F`` bands that are compared. ``docs/explanation/mathematics.md``, sections 'The
information' and 'Numbers that do not break', derives each line. No factorisation here raises and none waits for a GPU:
NaN in, NaN out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from monai_cwmi.bands.gradients import once_differentiable
from monai_cwmi.bands.moments import Moments
from monai_cwmi.measures.base import MomentMeasure, check_alpha, trace


@dataclass(frozen=True)
class ConditionalEntropy(MomentMeasure):
    r"""Conditional entropy term ``h = log det C`` of each level.

    :math:`C = G_{YY} - G_{YP} (G_{PP} + \alpha I)^{-1} G_{YP}^H`, the covariance of what a ridge regression on the
    prediction's bands leaves of the target's.

    Args:
        alpha: The ridge, in units of a sum over pixels.

    Raises:
        ValueError: When ``alpha`` is not positive and finite.
    """

    name: ClassVar[str] = "conditional_entropy"
    unit: ClassVar[str] = "nat"
    sign: ClassVar[int] = -1
    alpha: float = 5e-4

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    def values(self, moments: Moments) -> Tensor:
        """``(N, B, C)``, or ``(N, B, C, S)`` of slices, in nats."""
        return _log_dets(moments, self.alpha)[0]


@dataclass(frozen=True)
class MutualInformation(MomentMeasure):
    """Mutual information ``I = log det G_YY - log det C`` of each level; its gradient is that of ``-h``.

    Args:
        alpha: The ridge of the regression of target on prediction, in units of a sum over pixels.

    Raises:
        ValueError: When ``alpha`` is not positive and finite.
    """

    name: ClassVar[str] = "mutual_information"
    unit: ClassVar[str] = "nat"
    sign: ClassVar[int] = 1
    alpha: float = 5e-4

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    def values(self, moments: Moments) -> Tensor:
        """``(N, B, C)``, or ``(N, B, C, S)`` of slices, in nats."""
        conditional, own = _log_dets(moments, self.alpha)
        return own - conditional


@dataclass(frozen=True)
class AlignedInformation(MutualInformation):
    r"""Mutual information for each orientation, of levels at which prediction and target correlate positively.

    A regression takes ``1 - p`` for as good as ``p``. The sign of :math:`tr\, Re\, G_{YP}`, the correlation of a
    level's bands, tells the two apart: where it is not positive, the level has no information. Divided by the number of
    orientations, the information of a prediction of some quality is about the same whatever that number is; in whole
    volumes it is up to 1.6 times that of slices.

    Args:
        alpha: The ridge of the regression of target on prediction, in units of a sum over pixels.
        gate: Whether the correlation must be positive.

    Raises:
        ValueError: When ``alpha`` is not positive and finite.
    """

    gate: bool = True

    def values(self, moments: Moments) -> Tensor:
        """``(N, B, C)``, or ``(N, B, C, S)`` of slices, in nats for each orientation."""
        information = super().values(moments) / moments.num_orientations
        if not self.gate:
            return information
        is_opposed = trace(moments.cross.real.detach()) <= 0  # not of NaN, which is to be seen
        return torch.where(is_opposed, 0.0, information)


@dataclass(frozen=True)
class InformationBound(MutualInformation):
    """The target's information about itself: the most that a prediction can hold; it depends on ``alpha``."""

    name: ClassVar[str] = "information_bound"

    def values(self, moments: Moments) -> Tensor:
        """``(N, B, C)``, or ``(N, B, C, S)`` of slices, in nats."""
        return super().values(moments.of_target_itself())


def _log_dets(moments: Moments, alpha: float) -> tuple[Tensor, Tensor]:
    """``log det C`` and ``log det G_YY`` of the bands, ``(N, B, C[, S])`` each."""
    conditional, own, _ = _LogDets.apply(moments.matrices, moments.coefficient, alpha, moments.rounding)
    # Of real and imaginary parts the determinant is the square of that of the complex bands.
    return (conditional / 2, own / 2) if moments.in_quadrature else (conditional, own)


class _LogDets(torch.autograd.Function):
    """``log det C`` and, without gradient, ``log det G_YY``, ``(N, B, C)`` each, and the gradient of the former.

    All is known in the forward pass that the gradient needs: with the regression held fixed, it is made of ``C^-1``.
    """

    @staticmethod
    def forward(matrices: Tensor, coefficient: Tensor, alpha: float, rounding: float) -> tuple[Tensor, Tensor, Tensor]:
        # One batch of M matrices: small operations cost their start, and a product of more axes is several of them.
        shape = coefficient.shape
        prediction, remainder, real, *imaginary = matrices.flatten(1, -3)  # (M, F, F) each
        cross = torch.complex(real, *imaginary) if imaginary else real
        c = coefficient.reshape(-1, 1, 1)
        target = (remainder + c * (real + real.mT)).addcmul_(c.square(), prediction)  # of d + c p
        identity = torch.eye(target.shape[-1], dtype=target.dtype, device=target.device)
        null_prediction, null_target = _null_ridge(torch.cat((prediction, target)), identity, alpha, rounding).chunk(2)

        conditional, b = _conditional_covariance(
            prediction, remainder, cross, c, alpha * identity + null_prediction, c * identity, alpha
        )

        # Lest rounding errors count as information, the same ridge is added to both. The errors mostly average out, so
        # that a fortieth of their bound will nearly always do; where not, take it whole.
        common = rounding * _trace(remainder) * identity
        ridges = torch.stack((null_target + common / 40, null_target + common))
        factors, info = torch.linalg.cholesky_ex(torch.stack((conditional, target.to(cross.dtype)))[:, None] + ridges)
        log_dets = 2 * factors.diagonal(dim1=-2, dim2=-1).real.log().sum(-1)  # (2, 2, M)
        is_definite = info[0, 0] == 0  # (M,)

        factor, larger_factor = factors[0]
        factor = torch.where(is_definite[:, None, None], factor, larger_factor)
        root = torch.linalg.solve_triangular(factor, identity.to(factor.dtype), upper=False)
        inverse = torch.bmm(root.mH, root)  # of C with its ridge
        weighted = torch.bmm(inverse, b)
        parts = [torch.bmm(b.mH, weighted).real, inverse.real, -2 * weighted.real]
        if imaginary:
            parts.append(-2 * weighted.imag)
        conditional_entropy, own = torch.where(is_definite, log_dets[:, 0], log_dets[:, 1]).view(2, *shape)
        return conditional_entropy, own, torch.stack(parts).view(matrices.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, own, gradient = output
        ctx.save_for_backward(inputs[0], gradient)
        ctx.mark_non_differentiable(own, gradient)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        matrices, gradient = ctx.saved_tensors
        return once_differentiable(grad[..., None, None] * gradient, grad, matrices), None, None, None


def _conditional_covariance(
    prediction: Tensor, remainder: Tensor, cross: Tensor, c: Tensor, noise: Tensor, shift: Tensor, alpha: float
) -> tuple[Tensor, Tensor]:
    r"""``C``, and the ridge regression ``B`` of the remainder on the prediction; that of the target is ``B + c I``.

    :math:`C` is the covariance of what the regression leaves of the target, plus :math:`\alpha (B + cI)(B + cI)^H`. In
    this form nothing large cancels, and as ``B`` minimises it, an error in ``B`` counts squared only, and its gradient,
    zero at the minimum, is left out.

    Args:
        prediction: ``G_PP``, ``(M, F, F)``.
        remainder: ``G_DD``.
        cross: ``G_DP``.
        c: ``(M, 1, 1)``.
        noise: The ridge of the regression, with that of directions without any prediction.
        shift: ``c I``.
        alpha: The ridge alone.
    """
    b = torch.bmm(cross - c * noise, torch.linalg.inv_ex(prediction + noise).inverse.to(cross.dtype))
    explained = torch.bmm(b, cross.mH)
    unexplained = torch.baddbmm(remainder - explained - explained.mH, torch.bmm(b, prediction.to(b.dtype)), b.mH)
    of_target = b + shift
    return torch.baddbmm(unexplained, of_target, of_target.mH, alpha=alpha), b


def _null_ridge(matrix: Tensor, identity: Tensor, alpha: float, rounding: float) -> Tensor:
    """A ridge for the directions in which covariance matrices ``(M, F, F)`` hold nothing but their rounding error.

    With ``r`` that error, ``r (r (G + r I)^-1)^4`` is ``r`` there and vanishes where the matrix does hold something, so
    that the conditional covariance of a near-perfect prediction, smaller than ``r`` by far, keeps its value. What is
    small against ``alpha``, the scale of what counts as information, counts as nothing too.
    """
    floor = 20 * rounding * alpha
    r = rounding * _trace(matrix) + floor
    share = r * torch.linalg.inv_ex(torch.addcmul(matrix, r, identity)).inverse
    squared = torch.bmm(share, share)
    return torch.addcmul(floor * identity, r, torch.bmm(squared, squared))


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
