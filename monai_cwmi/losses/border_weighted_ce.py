"""The loss of the U-Net paper."""

from __future__ import annotations

from torch import Tensor

from monai_cwmi.losses.cross_entropy import balanced_weights, voxel_cross_entropy, voxel_mean
from monai_cwmi.losses.mapped import MappedLoss
from monai_cwmi.losses.preparation import Prepared


class BorderWeightedCELoss(MappedLoss):
    r"""Cross-entropy that weighs borders the more, the closer the objects on both sides are.

    .. math::
        L = -\frac{1}{|V|} \sum_{x \in V} \left(w_{y(x)} + m(x)\right) \log p_{y(x)}(x)

    over the labelled voxels :math:`V` of an image. :math:`w_c` balances its classes: the voxels of the largest over
    those of class :math:`c`. The map :math:`m = 10 \exp(-(d_1 + d_2)^2 / (2 \cdot 5^2))` on borders, 0 elsewhere, is
    computed by :class:`monai_cwmi.maps.BorderWeightd` when images are loaded.

    Args:
        include_background: For other losses' sake; all channels are used, as cross-entropy does.
        to_onehot_y: Whether the target holds class indices (and the map behind them), ``(B, 2, spatial)``.
        sigmoid: Apply a sigmoid to the prediction, of one channel.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives the probability of a single channel.
        reduction: ``"mean"`` over images, ``"sum"``, or ``"none"``.
        ignore_index: Voxels of this class do not count. Give it to the transform too.

    Raises:
        TypeError: When ``other_act`` is not callable.
        ValueError: When more than one activation is asked for.

    Example:
        >>> import torch
        >>> from monai_cwmi.maps import BorderWeightd
        >>> label = torch.zeros(1, 32, 32)
        >>> label[:, 14:16] = 1
        >>> target = BorderWeightd("label")({"label": label})["label"][None]  # (1, 2, 32, 32)
        >>> loss = BorderWeightedCELoss(softmax=True, to_onehot_y=True)
        >>> loss(torch.randn(1, 2, 32, 32, requires_grad=True), target).backward()

    References:
        O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
        MICCAI 2015, https://arxiv.org/abs/1505.04597.
    """

    needs = "monai_cwmi.maps.BorderWeightd"
    num_maps = 1

    def loss_of_images(self, prepared: Prepared, maps: Tensor) -> Tensor:
        """Compute the loss of each image, ``(B, 1)``; the map is 0 but on the border, so it adds to no other class."""
        positive, negative = (weight + maps for weight in balanced_weights(prepared))
        return voxel_mean(voxel_cross_entropy(prepared, (positive, negative)), prepared.mask)
