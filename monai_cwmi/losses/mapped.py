"""What the losses with weight maps share: cross-entropy of classes, weighted pixel by pixel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_cwmi.losses.maps import split_maps
from monai_cwmi.losses.preparation import Preparation, Prepared
from monai_cwmi.losses.terms import check_reduction, reduced


class MappedLoss(_Loss, ABC):
    """A loss of exclusive classes, or of one channel, whose target has maps behind its label.

    Subclasses name the transform that computes the maps and compute the loss of each image.

    Args:
        include_background: For other losses' sake; these use all channels, as cross-entropy does.
        to_onehot_y: Whether the target holds class indices (and the maps behind them).
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives the probability of a single channel.
        reduction: ``"mean"`` over images, ``"sum"``, or ``"none"``.
        ignore_index: Voxels of this class do not count. Give it to the transform too.
    """

    needs: ClassVar[str]  # the transform
    num_maps: ClassVar[int]

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
            input: ``(B, C, spatial)``, logits or probabilities, of any floating-point dtype.
            target: ``(B, C + M, spatial)``, or ``(B, 1 + M, spatial)`` with ``to_onehot_y``: the label, then the maps.

        Returns:
            A number, or ``(B, 1)`` with ``reduction="none"``, in float32, or float64 for float64 input.

        Raises:
            AssertionError: When the shapes do not fit.
            TypeError: When the input is not of floating point.
            ValueError: When the maps are missing, the input has several channels without ``softmax``, or values are not
                what the options say (see :class:`monai_cwmi.losses.preparation.Preparation`).
        """
        label, maps = split_maps(target, self.num_maps, needs=self.needs)
        prepared = self.prepare(input, label)
        if input.shape[1] > 1 and not prepared.is_exclusive:
            raise ValueError(
                f"{type(self).__name__} takes one channel, or several after softmax=True, got {input.shape[1]}."
            )
        maps = maps.as_subclass(Tensor).detach().to(prepared.logits)
        return reduced(self.loss_of_images(prepared, maps), self.reduction)

    @abstractmethod
    def loss_of_images(self, prepared: Prepared, maps: Tensor) -> Tensor:
        """Compute the loss of each image.

        Args:
            prepared: Prediction and target.
            maps: ``(B, M, spatial)``; where voxels do not count, they may be anything.

        Returns:
            ``(B, 1)``.
        """


def foreground_channel(channels: int, foreground: int) -> int:
    """The channel of the foreground class; a single channel is that of class 1.

    Raises:
        ValueError: When there is no such channel.
    """
    channel = foreground if channels > 1 else foreground - 1
    if not 0 <= channel < channels:
        raise ValueError(
            f"foreground is class {foreground}, but input has {channels} channel(s). One alone is class 1."
        )
    return channel


def grow_border(prepared: Prepared, as_border: Tensor, as_object: Tensor, foreground: int) -> tuple[Prepared, Tensor]:
    """Let the border grow into objects where that is the larger weight.

    Args:
        prepared: Prediction and target.
        as_border: Weight of a voxel as border, ``(B, 1, spatial)``.
        as_object: Its weight as object; 0 on the border.
        foreground: The border's class.

    Returns:
        The same prediction with the target to train, and each voxel's weight ``(B, 1, spatial)``.
    """
    target = prepared.target
    border = torch.zeros_like(target[:1])  # (1, C, spatial)
    border[:, foreground_channel(target.shape[1], foreground)] = 1
    target = torch.where(as_border > as_object, border, target)
    return prepared._replace(target=target), torch.maximum(as_border, as_object)
