"""The sums over an image's voxels that cross-entropy and Dice are made of, and their gradient, in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_cwmi.losses.preparation import Prepared

_BLOCK = 2**17  # values that each thread of a CPU works on at a time, so that they stay in its cache


@dataclass(frozen=True)
class VoxelSums:
    """Sums over the voxels of each image that count, ``(B, C)``.

    Attributes:
        positive: Of ``-y log p``.
        negative: Of ``-(1 - y) log(1 - p)``; ``None`` for exclusive classes, whose cross-entropy has no such part.
        overlap: Of ``p y``.
        prediction: Of ``p``.
        target: Of ``y``.
        count: Number of the voxels, ``(B, 1)`` or ``(1, 1)``.
    """

    positive: Tensor
    negative: Tensor | None
    overlap: Tensor
    prediction: Tensor
    target: Tensor
    count: Tensor


def voxel_sums(prepared: Prepared) -> VoxelSums:
    """Sum up all channels of a prepared prediction and target.

    After ``softmax`` and ``sigmoid`` the logarithms are those of the logits. Probabilities without logits count as no
    closer to 0 than the resolution of their numbers.
    """
    logits, p, y = (each.flatten(2) for each in (prepared.logits, prepared.probabilities, prepared.target))
    valid = None if prepared.mask is None else prepared.mask.flatten(2).to(y)  # (B, 1, V)
    count = y.new_full((1, 1), y.shape[2]) if valid is None else valid.sum(-1)
    if prepared.is_exclusive or prepared.from_sigmoid:
        sums = _SumsOfLogits.apply(logits, p, y, valid, prepared.is_exclusive)
    else:
        if valid is not None:
            p = torch.where(valid > 0, p, 0.0)
        r = prepared.resolution
        log_p, log_not_p = (((q + r) / (1 + r)).log() for q in (p, 1 - p))
        sums = torch.stack([-(y * log_p).sum(-1), -((1 - y) * log_not_p).sum(-1), (p * y).sum(-1), p.sum(-1)])
    positive, negative, overlap, prediction = sums.unbind()
    return VoxelSums(positive, None if prepared.is_exclusive else negative, overlap, prediction, y.sum(-1), count)


class _SumsOfLogits(torch.autograd.Function):
    """The first four of :class:`VoxelSums`, ``(4, B, C)``; of exclusive classes ``negative`` is 0.

    Autograd would make a tensor of the images' size for each product. This works in blocks, and keeps ``p`` and ``y``.
    """

    @staticmethod
    def forward(logits: Tensor, p: Tensor, y: Tensor, valid: Tensor | None, is_exclusive: bool) -> Tensor:
        sums = p.new_zeros((4, *p.shape[:2]), dtype=torch.float64)
        for images, voxels in _blocks(p):
            x, p_part, y_part = (each[images, :, voxels] for each in (logits, p, y))
            v_part = None if valid is None else valid[images, :, voxels]
            parts = torch.stack(_sums(x, p_part, y_part, v_part, is_exclusive))
            sums[:, images] += parts
        return sums.to(p.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, p, y, valid, ctx.is_exclusive = inputs
        # The gradient in the logits, that of the activation included: none flows to the probabilities.
        ctx.save_for_backward(p, y, valid)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        p, y, valid = ctx.saved_tensors
        gradient = torch.empty_like(p)
        for images, voxels in _blocks(p):
            parts = p[images, :, voxels], y[images, :, voxels], None if valid is None else valid[images, :, voxels]
            gradient[images, :, voxels] = _gradient(grad[:, images, :, None], *parts, ctx.is_exclusive)
        return gradient, None, None, None, None


def _sums(x: Tensor, p: Tensor, y: Tensor, valid: Tensor | None, is_exclusive: bool) -> list[Tensor]:
    """The four sums of a block of logits ``x``, probabilities and targets ``(b, C, v)``, ``(b, C)`` each."""
    # A class that is ruled out by a logit of -inf costs nothing where it is not the target's: 0 times a number.
    log_p = torch.log_softmax(x, dim=1).clamp_min_(torch.finfo(x.dtype).min) if is_exclusive else F.logsigmoid(x)
    positive = -(y * log_p).sum(-1)
    if is_exclusive:
        negative = torch.zeros_like(positive)
    else:
        negative = (1 - y if valid is None else valid - y).mul_(x - log_p).sum(-1)  # as 1 - p = p exp(-x)
    return [positive, negative, (p * y).sum(-1), (p if valid is None else p * valid).sum(-1)]


def _gradient(grad: Tensor, p: Tensor, y: Tensor, valid: Tensor | None, is_exclusive: bool) -> Tensor:
    """Gradient of a block ``(b, C, v)`` in the logits, from that in the four sums, ``(4, b, C, 1)``."""
    positive, negative, overlap, prediction = grad.unbind()
    of_overlap, of_positive = overlap * y, positive * y
    of_dice = of_overlap.add_(prediction if valid is None else prediction * valid)
    if is_exclusive:
        of_softmax = of_dice - (p * of_dice - of_positive).sum(1, keepdim=True)
        return (p * of_softmax).sub_(of_positive)
    constant = negative + prediction
    of_p = ((positive - negative + overlap) * y).add_(constant if valid is None else constant * valid)
    return of_p.sub_(of_dice.mul_(p)).mul_(p).sub_(of_positive)


def _blocks(values: Tensor) -> Iterator[tuple[slice, slice]]:
    """Blocks of images and of voxels of ``(B, C, V)``; all at once on a GPU, and where a compiler makes the loops."""
    if values.is_cuda or torch.compiler.is_compiling():
        yield slice(None), slice(None)
        return
    batch, channels, voxels = values.shape
    block = _BLOCK * torch.get_num_threads()
    num_voxels = min(voxels, max(1, block // channels))
    num_images = max(1, block // (channels * num_voxels))
    for image in range(0, batch, num_images):
        for voxel in range(0, voxels, num_voxels):
            yield slice(image, image + num_images), slice(voxel, voxel + num_voxels)
