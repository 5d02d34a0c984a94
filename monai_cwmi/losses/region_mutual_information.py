"""The region mutual information loss."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_cwmi.losses.preparation import Preparation
from monai_cwmi.losses.terms import check_reduction, compared_entropy, compared_pair, reduced

_RIDGE = 5e-4  # of the paper's code


class RMILoss(_Loss):
    r"""Cross-entropy and the entropy that the prediction's neighbourhoods leave open of the target's, half and half.

    .. math::
        L = \frac12 CE + \frac12 \sum_c \frac{1}{2 d} \log\det\left(
            G_{yy} - G_{yp} (G_{pp} + \alpha I)^{-1} G_{yp}^T + \alpha I\right)

    with :math:`G` the covariances, as sums over places, of the neighbourhoods of :math:`d = 3 \times 3` pixels
    (:math:`3 \times 3 \times 3` voxels) in maps that were max-pooled by 3, and :math:`\alpha = 5 \cdot 10^{-4}`.
    The second term bounds the target's entropy given the prediction from above, up to a constant, and so what it leaves
    of the target's own entropy bounds their mutual information from below. It lies above
    :math:`\frac12 \log\alpha = -3.8` for each class and equals it where the target is constant.

    The paper takes a sigmoid of each class and the sum over all of them. Here the options say which activation and
    which classes; cross-entropy is that of exclusive classes after ``softmax``, else the sum of the channels'.

    Ignored voxels take no part in the pooling, and a neighbourhood that holds a pooled cell without any other voxel
    does not count. Images with fewer than seven pixels along an axis have no neighbourhood: cross-entropy alone
    remains, with a constant.

    Args:
        include_background: If False, channel 0 is left out; only the cross-entropy after ``softmax`` uses all channels
            all the same.
        to_onehot_y: Whether the target holds class indices ``(B, 1, spatial)``.
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives probabilities.
        reduction: ``"mean"`` over the batch, ``"sum"``, or ``"none"``.
        ignore_index: Voxels of this class, or with this label in any channel, do not count.

    Raises:
        TypeError: When ``other_act`` is not callable.
        ValueError: When more than one activation is asked for.

    Example:
        >>> loss = RMILoss(softmax=True, to_onehot_y=True)
        >>> logits = torch.randn(2, 3, 64, 64, requires_grad=True)
        >>> loss(logits, torch.randint(0, 3, (2, 1, 64, 64))).backward()

    References:
        S. Zhao, Y. Wang, Z. Yang and D. Cai, "Region Mutual Information Loss for Semantic Segmentation", NeurIPS 2019,
        https://arxiv.org/abs/1910.12037.
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        reduction: str = "mean",
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(reduction=check_reduction(reduction))
        self.prepare = Preparation(include_background, to_onehot_y, sigmoid, softmax, other_act, ignore_index)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            input: ``(B, C, H, W)`` or ``(B, C, H, W, D)``, logits or probabilities.
            target: The same shape, or with one channel with ``to_onehot_y``.

        Returns:
            A number, or ``(B,)`` with ``reduction="none"``.

        Raises:
            AssertionError: When the shapes do not fit.
            TypeError: When the input is not of floating point.
            ValueError: When images have not two or three axes, or values are not what the options say (see
                :class:`monai_cwmi.losses.preparation.Preparation`).
        """
        if input.ndim not in (4, 5):
            raise ValueError(f"RMILoss compares images (B, C, H, W) or (B, C, H, W, D), got {tuple(input.shape)}.")
        prepared = self.prepare(input, target)
        entropy = compared_entropy(prepared)  # (B, 1) or (B, C)
        with torch.autocast(input.device.type, enabled=False):
            left_open = region_entropy(*compared_pair(prepared), prepared.mask)  # (B, C)
        return reduced((entropy.sum(1) + left_open.sum(1)) / 2, self.reduction)


def region_entropy(prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Entropy of a target's neighbourhoods given the prediction's, up to a constant and over their ``d`` pixels.

    Args:
        prediction: ``(B, C, H, W)`` or ``(B, C, H, W, D)``, probabilities, 0 where voxels do not count.
        target: The same shape and dtype, 0 where voxels do not count.
        mask: ``(B, 1, spatial)``, true where voxels count; ``None`` where all do.

    Returns:
        ``(B, C)``, natural logarithm, of the prediction's dtype.
    """
    p, y = (_neighbourhoods(_pooled(image)).double() for image in (prediction, target))  # (B, C, d, places)
    valid = torch.ones_like(p[:1, :1, :1])
    if mask is not None:
        valid = _neighbourhoods(_pooled(mask.to(p))).amin(2, keepdim=True)  # (B, 1, 1, places)
    count = valid.sum(-1, keepdim=True).clamp_min(1)
    p, y = (valid * (v - (valid * v).sum(-1, keepdim=True) / count) for v in (p, y))

    ridge = _RIDGE * torch.eye(p.shape[2], dtype=p.dtype, device=p.device)
    # With the root R of G_PP, what is explained is (R^-1 G_PY)^T (R^-1 G_PY): nothing is inverted, all stays symmetric.
    root = torch.linalg.cholesky_ex(p @ p.mT + ridge).L
    explaining = torch.linalg.solve_triangular(root, p @ y.mT, upper=False)
    left_open = y @ y.mT - explaining.mT @ explaining + ridge  # (B, C, d, d)
    half_log_det = torch.linalg.cholesky_ex(left_open).L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return (half_log_det / p.shape[2]).to(prediction.dtype)


def _pooled(images: Tensor) -> Tensor:
    pool = F.max_pool2d if images.ndim == 4 else F.max_pool3d
    return pool(images, kernel_size=3, stride=3, padding=1)  # (B, C, h, w)


def _neighbourhoods(images: Tensor) -> Tensor:
    """Neighbourhoods of 3 pixels along each axis as vectors ``(B, C, d, places)``; none, if there are fewer pixels."""
    sizes = [max(size - 2, 0) for size in images.shape[2:]]
    corners = itertools.product(range(3), repeat=len(sizes))
    windows: list[list[Any]] = [[slice(c, c + n) for c, n in zip(corner, sizes, strict=True)] for corner in corners]
    return torch.stack([images[(..., *window)].flatten(2) for window in windows], dim=2)
