"""The skeleton recall loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_cwmi.losses.maps import split_maps
from monai_cwmi.losses.preparation import Preparation
from monai_cwmi.losses.terms import check_reduction, check_weights, compared_entropy, compared_pair, reduced


class SkeletonRecallLoss(_Loss):
    r"""Dice and cross-entropy, and how much of each class's skeleton is missed.

    .. math::
        L = Dice + CE + \lambda \left(1 - \frac{\sum p s}{\sum s}\right)

    with :math:`s` the class's tubed skeleton, which :class:`monai_cwmi.maps.TubedSkeletond` computes when images are
    loaded. The target holds it as a further channel behind the label. The background, and a class that is absent, have
    no skeleton: their recall costs nothing. Dice is MONAI's, of each image and class; cross-entropy is that of
    exclusive classes after ``softmax``, else that of each channel.

    Args:
        include_background: If False, channel 0 is left out; only the cross-entropy after ``softmax`` uses all channels
            all the same.
        to_onehot_y: Whether the target holds class indices (and the skeletons behind them), ``(B, 2, spatial)``.
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives probabilities.
        lambda_recall: :math:`\lambda`, weight of the recall.
        reduction: ``"mean"`` over batch and channels, ``"sum"``, or ``"none"``.
        ignore_index: Voxels of this class, or with this label in any channel, count in no term.

    Raises:
        TypeError: When ``other_act`` is not callable.
        ValueError: When more than one activation is asked for, or ``lambda_recall`` is negative or not finite.

    Example:
        >>> from monai_cwmi.maps import TubedSkeletond
        >>> label = torch.zeros(1, 32, 32)
        >>> label[:, 10:16] = 1
        >>> target = TubedSkeletond("label")({"label": label})["label"][None]  # (1, 2, 32, 32)
        >>> loss = SkeletonRecallLoss(softmax=True, to_onehot_y=True)
        >>> loss(torch.randn(1, 2, 32, 32, requires_grad=True), target).backward()

    References:
        Y. Kirchhoff et al., "Skeleton Recall Loss for Connectivity Conserving and Resource Efficient Segmentation of
        Thin Tubular Structures", ECCV 2024, https://arxiv.org/abs/2404.03010.
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        lambda_recall: float = 1.0,
        reduction: str = "mean",
        ignore_index: int | None = None,
    ) -> None:
        from monai.losses import DiceLoss  # at the top it would take seconds to import

        super().__init__(reduction=check_reduction(reduction))
        check_weights(lambda_recall=lambda_recall)
        self.prepare = Preparation(include_background, to_onehot_y, sigmoid, softmax, other_act, ignore_index)
        self.lambda_recall = lambda_recall
        self.dice = DiceLoss(reduction="none")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            input: ``(B, C, spatial)``, logits or probabilities.
            target: ``(B, C + 1, spatial)``, or ``(B, 2, spatial)`` with ``to_onehot_y``: the label, then the index of
                the class whose tubed skeleton a voxel is on, or 0.

        Returns:
            A number, or ``(B, C)`` with ``reduction="none"`` (``C - 1`` channels without the background).

        Raises:
            AssertionError: When the shapes do not fit.
            TypeError: When the input is not of floating point.
            ValueError: When the skeletons are missing, or values are not what the options say (see
                :class:`monai_cwmi.losses.preparation.Preparation`).
        """
        labels, skeletons = split_maps(target, 1, needs="monai_cwmi.maps.TubedSkeletond")
        prepared = self.prepare(input, labels)
        probabilities, targets = compared_pair(prepared)  # (B, C, ...)
        tubes = _one_hot(skeletons.as_subclass(Tensor), input.shape[1])[:, prepared.compared]  # (B, C, ...)
        tubes = (tubes if prepared.mask is None else tubes & prepared.mask).to(probabilities)
        axes = tuple(range(2, input.ndim))
        length = tubes.sum(axes)  # (B, C)
        recall = torch.where(length > 0, (probabilities * tubes).sum(axes) / length.clamp_min(1), 1.0)
        loss = self.dice(probabilities, targets).flatten(1) + compared_entropy(prepared)
        return reduced(loss + self.lambda_recall * (1 - recall), self.reduction)


def _one_hot(skeletons: Tensor, channels: int) -> Tensor:
    """Indices ``(B, 1, spatial)`` as ``(B, C, spatial)``; one channel by itself is class 1, and 0 is no class."""
    classes = torch.arange(channels, device=skeletons.device) if channels > 1 else skeletons.new_ones(1)
    classes = classes.reshape(-1, *[1] * (skeletons.ndim - 2))  # (C, 1, ...)
    return (skeletons == classes) & (classes > 0)
