"""Cross-entropy of each image, from logits wherever there are any, with the weights of the CWMI paper."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_cwmi.losses.preparation import Prepared


def cross_entropy(
    prepared: Prepared, *, from_sigmoid: bool, weight: Tensor | None, balanced: bool, resolution: float
) -> Tensor:
    r"""Mean over an image's voxels of the weighted cross-entropy.

    Over exclusive classes it is :math:`-\sum_c w_c y_c \log p_c`, the same for all channels of an image. Otherwise each
    channel has its own, :math:`-w y \log p - w_0 (1 - y) \log(1 - p)`. The mean is not divided by the weights.

    Args:
        prepared: Prediction and target, all channels of which are used.
        from_sigmoid: Whether the probabilities are a sigmoid of the logits.
        weight: Class weights ``(C,)``, with :math:`w_0 = 1`, or ``None``.
        balanced: Take as a class's weight the voxels of the image's largest class over its own (over one voxel, if it
            is absent). For two classes these are the paper's.
        resolution: Step of the numbers that probabilities without logits came in; they count as no closer to 0.

    Returns:
        ``(B, 1)`` for exclusive classes, else ``(B, C)``.

    Raises:
        ValueError: When there are not as many weights as channels.
    """
    logits, probabilities, target, mask, is_exclusive, _ = prepared
    if weight is not None and len(weight) != target.shape[1]:
        raise ValueError(
            f"weight has {len(weight)} values, but input has {target.shape[1]} channels; the background's counts too."
        )
    one = target.new_ones(())
    weights = one if weight is None else weight.to(target).reshape(-1, *[1] * (target.ndim - 2))  # (C, 1, ...)
    if is_exclusive:
        if balanced:
            weights = _balance(_count(target, mask))  # (B, C, 1, ...)
        # A class that is ruled out by a logit of -inf costs nothing where it is not the target's: 0 times a number.
        likelihood = target * torch.log_softmax(logits, dim=1).clamp_min(torch.finfo(logits.dtype).min)
        if weight is not None or balanced:
            likelihood = weights * likelihood
        return _mean(-likelihood.sum(1, keepdim=True), mask)

    positive, negative = weights, one
    if balanced:
        counts = torch.stack((_count(target, mask), _count(1 - target, mask)), dim=1)  # (B, 2, C, 1, ...)
        positive, negative = _balance(counts).unbind(1)
    if from_sigmoid:
        if weight is None and not balanced:  # without weights it takes half of the time
            return _mean(F.binary_cross_entropy_with_logits(logits, target, reduction="none"), mask)
        entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none", pos_weight=positive / negative)
        return _mean(entropy * negative, mask)
    likelihood, unlikelihood = ((p + resolution) / (1 + resolution) for p in (probabilities, 1 - probabilities))
    return _mean(-positive * target * likelihood.log() - negative * (1 - target) * unlikelihood.log(), mask)


def _count(target: Tensor, mask: Tensor | None) -> Tensor:
    return (target if mask is None else target * mask).sum(_spatial(target), keepdim=True)


def _balance(counts: Tensor) -> Tensor:
    return counts.amax(1, keepdim=True) / counts.clamp_min(1)


def _mean(values: Tensor, mask: Tensor | None) -> Tensor:
    axes = _spatial(values)
    if mask is None:
        return values.mean(axes)
    return torch.where(mask, values, 0.0).sum(axes) / mask.sum(axes).clamp_min(1)


def _spatial(tensor: Tensor) -> tuple[int, ...]:
    return tuple(range(2, tensor.ndim))
