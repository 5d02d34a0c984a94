"""Cross-entropy of each image, from logits wherever there are any, with the weights of the CWMI paper."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_cwmi.losses.preparation import Prepared
from monai_cwmi.losses.voxel_sums import VoxelSums


def cross_entropy(sums: VoxelSums, *, weight: Tensor | None = None, balance: float = 0.0) -> Tensor:
    r"""Mean over an image's voxels of the weighted cross-entropy.

    Over exclusive classes it is :math:`-\sum_c w_c y_c \log p_c`, the same for all channels of an image. Otherwise each
    channel has its own, :math:`-w y \log p - w_0 (1 - y) \log(1 - p)`. The mean is not divided by the weights.

    Args:
        sums: Of prediction and target, of all channels.
        weight: Class weights ``(C,)``, with :math:`w_0 = 1`, or ``None``.
        balance: With a positive exponent, a class's weight is this power of the ratio of the voxels of the image's
            largest class to its own (to one voxel, if it is absent). For two classes, 1 gives the paper's weights.

    Returns:
        ``(B, 1)`` for exclusive classes, else ``(B, C)``; 0 where no voxel counts.

    Raises:
        ValueError: When there are not as many weights as channels.
    """
    channels = sums.target.shape[1]
    if weight is not None and len(weight) != channels:
        raise ValueError(
            f"weight has {len(weight)} values, but input has {channels} channels; the background's counts too."
        )
    count = sums.count.clamp_min(1)
    if sums.negative is None:
        weights = _balance(sums.target, balance) if balance else 1.0 if weight is None else weight.to(sums.positive)
        return (weights * sums.positive).sum(1, keepdim=True) / count
    if balance:
        counts = torch.stack((sums.target, sums.count - sums.target), dim=1)  # (B, 2, C)
        return (_balance(counts, balance) * torch.stack((sums.positive, sums.negative), dim=1)).sum(1) / count
    positive = sums.positive if weight is None else weight.to(sums.positive) * sums.positive
    return (positive + sums.negative) / count


def voxel_cross_entropy(prepared: Prepared, weights: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Weighted cross-entropy of each voxel, for weights that differ from voxel to voxel.

    Args:
        prepared: Prediction and target, all channels of which are used.
        weights: ``w`` and ``w_0``, which broadcast with the target. Exclusive classes have no ``w_0``.

    Returns:
        ``(B, 1, spatial)`` for exclusive classes, else ``(B, C, spatial)``.
    """
    logits, probabilities, target = prepared.logits, prepared.probabilities, prepared.target
    if prepared.is_exclusive:
        # A class that is ruled out by a logit of -inf costs nothing where it is not the target's: 0 times a number.
        likelihood = target * torch.log_softmax(logits, dim=1).clamp_min(torch.finfo(logits.dtype).min)
        return -(likelihood if weights is None else weights[0] * likelihood).sum(1, keepdim=True)
    if prepared.from_sigmoid and weights is None:  # which takes half of the time
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    positive, negative = weights or (target.new_ones(()),) * 2
    if prepared.from_sigmoid:
        ratio = positive / negative
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none", pos_weight=ratio) * negative
    resolution = prepared.resolution
    likelihood, unlikelihood = ((p + resolution) / (1 + resolution) for p in (probabilities, 1 - probabilities))
    return -positive * target * likelihood.log() - negative * (1 - target) * unlikelihood.log()


def balanced_weights(prepared: Prepared) -> tuple[Tensor, Tensor]:
    """The largest class's voxels over each class's own (over one voxel, if it is absent), in each image.

    Returns:
        ``w`` and ``w_0`` of :func:`voxel_cross_entropy`, ``(B, C, 1, ...)``; for exclusive classes ``w_0`` is 1.
    """
    target, mask = prepared.target, prepared.mask
    if prepared.is_exclusive:
        return _balance(_count(target, mask), 1.0), target.new_ones(())
    counts = torch.stack((_count(target, mask), _count(1 - target, mask)), dim=1)  # (B, 2, C, 1, ...)
    positive, negative = _balance(counts, 1.0).unbind(1)
    return positive, negative


def voxel_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of ``(B, C, spatial)`` over the voxels that count, ``(B, C)``; 0 where none does."""
    axes = _spatial(values)
    if mask is None:
        return values.mean(axes)
    return torch.where(mask, values, 0.0).sum(axes) / mask.sum(axes).clamp_min(1)


def _count(target: Tensor, mask: Tensor | None) -> Tensor:
    return (target if mask is None else target * mask).sum(_spatial(target), keepdim=True)


def _balance(counts: Tensor, exponent: float) -> Tensor:
    return (counts.amax(1, keepdim=True) / counts.clamp_min(1)).pow(exponent)


def _spatial(tensor: Tensor) -> tuple[int, ...]:
    return tuple(range(2, tensor.ndim))
