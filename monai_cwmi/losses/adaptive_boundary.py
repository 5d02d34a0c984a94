"""The adaptive boundary weighted loss."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from monai_cwmi.losses.cross_entropy import voxel_cross_entropy, voxel_mean
from monai_cwmi.losses.mapped import MappedLoss, grow_border
from monai_cwmi.losses.preparation import Prepared


class ABWLoss(MappedLoss):
    r"""Adaptive boundary weighted cross-entropy, which trains voxels near a border as border.

    .. math::
        L = -\frac{1}{|V|} \sum_{x \in V} \max(b(x), o(x)) \log p_{t(x)}(x)

    over the labelled voxels :math:`V` of an image. A voxel's weights :math:`b` as border and :math:`o` as object fall
    off from the border and from the inside of its object, on the object's own scale;
    :class:`monai_cwmi.maps.AdaptiveBoundaryWeightsd` computes them when images are loaded. :math:`t` is the border's
    class where :math:`b > o`, else the label's: the border grows into each object by half of its depth, and so takes
    three quarters of a disc.

    Args:
        include_background: For other losses' sake; all channels are used, as cross-entropy does.
        to_onehot_y: Whether the target holds class indices (and the maps behind them), ``(B, 3, spatial)``.
        sigmoid: Apply a sigmoid to the prediction, of one channel.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives the probability of a single channel.
        reduction: ``"mean"`` over images, ``"sum"``, or ``"none"``.
        ignore_index: Voxels of this class do not count. Give it to the transform too.
        foreground: Class of the borders, as given to the transform. A single channel is that of class 1.

    Raises:
        TypeError: When ``other_act`` is not callable.
        ValueError: When more than one activation is asked for.

    Example:
        >>> import torch
        >>> from monai_cwmi.maps import AdaptiveBoundaryWeightsd
        >>> label = torch.zeros(1, 32, 32)
        >>> label[:, 14:16] = 1
        >>> target = AdaptiveBoundaryWeightsd("label")({"label": label})["label"][None]  # (1, 3, 32, 32)
        >>> loss = ABWLoss(softmax=True, to_onehot_y=True)
        >>> loss(torch.randn(1, 2, 32, 32, requires_grad=True), target).backward()

    References:
        W. Liu et al., "Boundary Learning by Using Weighted Propagation in Convolution Network",
        https://arxiv.org/abs/1905.09226.
    """

    needs = "monai_cwmi.maps.AdaptiveBoundaryWeightsd"
    num_maps = 2

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        reduction: str = "mean",
        ignore_index: int | None = None,
        foreground: int = 1,
    ) -> None:
        super().__init__(include_background, to_onehot_y, sigmoid, softmax, other_act, reduction, ignore_index)
        self.foreground = foreground

    def loss_of_images(self, prepared: Prepared, maps: Tensor) -> Tensor:
        """Compute the loss of each image, ``(B, 1)``."""
        as_border, as_object = maps.split(1, dim=1)
        prepared, weight = grow_border(prepared, as_border, as_object, self.foreground)
        return voxel_mean(weight * voxel_cross_entropy(prepared), prepared.mask)
