"""The skeleton- and topology-aware loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_cwmi.losses.cross_entropy import balanced_weights, voxel_cross_entropy, voxel_mean
from monai_cwmi.losses.mapped import MappedLoss, foreground_channel, grow_border
from monai_cwmi.losses.preparation import Prepared
from monai_cwmi.losses.terms import check_weights

_SCALE = 10  # of the maps, beside the weights of classes


class SkeaTopoLoss(MappedLoss):
    r"""Cross-entropy with skeleton-aware weights, and a term for errors that change the border's topology.

    .. math::
        L = -\frac{\sum_x w(x) \log p_{t(x)}(x)}{\sum_x w(x)}
            + \lambda \frac{1}{|V|} \sum_{x \in V} \left| \tilde y(x) - p(x) \right|

    over the labelled voxels :math:`V` of an image. :class:`monai_cwmi.maps.SkeletonWeightsd` computes a voxel's weights
    as border and as object, and the skeletons, when images are loaded. :math:`t` is the border's class where its weight
    is the larger, else the label's, and :math:`w` is ten times the larger weight plus the weight of :math:`t` that
    balances the classes (the voxels of the largest class over its own).

    In the boundary term :math:`p` is the probability of the border against all else, and :math:`\tilde y` 1 on the
    border and 0 elsewhere, but the wrong way round where an error is excused. Errors (at a threshold of 0.5) that carry
    a piece of a skeleton are critical, with all their connected region
    (:func:`monai_cwmi.maps.critical_errors.critical_errors`); the others are excused. The term needs skeletons of each
    prediction: it takes scipy, scikit-image and, from a GPU, a transfer of masks to the CPU at each step.

    ``lambda_boundary`` is a plain attribute that a scheduler may set. With 0, as in the first 20 epochs where the CWMI
    paper compares this loss, the term is skipped and costs nothing.

    Args:
        include_background: For other losses' sake; all channels are used, as cross-entropy does.
        to_onehot_y: Whether the target holds class indices (and the maps behind them), ``(B, 4, spatial)``.
        sigmoid: Apply a sigmoid to the prediction, of one channel.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives the probability of a single channel.
        lambda_boundary: :math:`\lambda`, weight of the boundary term.
        reduction: ``"mean"`` over images, ``"sum"``, or ``"none"``.
        ignore_index: Voxels of this class do not count, and no skeleton runs through them. Give it to the transform
            too.
        foreground: Class of the borders, as given to the transform. A single channel is that of class 1.

    Raises:
        TypeError: When ``other_act`` is not callable.
        ValueError: When more than one activation is asked for, or ``lambda_boundary`` is negative or not finite.

    Example:
        >>> from monai_cwmi.maps import SkeletonWeightsd
        >>> label = torch.zeros(1, 32, 32)
        >>> label[:, 14:16] = 1
        >>> target = SkeletonWeightsd("label")({"label": label})["label"][None]  # (1, 4, 32, 32)
        >>> loss = SkeaTopoLoss(softmax=True, to_onehot_y=True)
        >>> loss(torch.randn(1, 2, 32, 32, requires_grad=True), target).backward()

    References:
        C. Liu et al., "Enhancing Boundary Segmentation for Topological Accuracy with Skeleton-based Methods",
        IJCAI 2024, https://arxiv.org/abs/2404.18539.
    """

    needs = "monai_cwmi.maps.SkeletonWeightsd"
    num_maps = 3

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        lambda_boundary: float = 1.0,
        reduction: str = "mean",
        ignore_index: int | None = None,
        foreground: int = 1,
    ) -> None:
        super().__init__(include_background, to_onehot_y, sigmoid, softmax, other_act, reduction, ignore_index)
        check_weights(lambda_boundary=lambda_boundary)
        self.lambda_boundary = lambda_boundary
        self.foreground = foreground

    def loss_of_images(self, prepared: Prepared, maps: Tensor) -> Tensor:
        """Compute the loss of each image, ``(B, 1)``."""
        as_border, as_object, skeletons = maps.split(1, dim=1)
        trained, weight = grow_border(prepared, as_border, as_object, self.foreground)
        # Classes are counted as they are trained: a crop may hold none of the border but what it has grown by.
        weight = _SCALE * weight + _class_weight(trained)  # (B, 1, spatial), at least 1
        entropy = voxel_mean(weight * voxel_cross_entropy(trained), prepared.mask)
        loss = entropy / voxel_mean(weight, prepared.mask).clamp_min(1)  # where no voxel counts, both means are 0
        return loss + self.lambda_boundary * self._boundary_term(prepared, skeletons) if self.lambda_boundary else loss

    def _boundary_term(self, prepared: Prepared, skeletons: Tensor) -> Tensor:
        channel = foreground_channel(prepared.target.shape[1], self.foreground)
        probability, border = (t[:, channel, None] for t in (prepared.probabilities, prepared.target))
        labelled = torch.ones_like(border, dtype=torch.bool) if prepared.mask is None else prepared.mask
        excused = _excused_errors(probability.detach() > 0.5, border > 0.5, skeletons > 0.5, labelled)
        return voxel_mean((torch.where(excused, 1 - border, border) - probability).abs(), prepared.mask)


def _class_weight(prepared: Prepared) -> Tensor:
    """Each voxel's weight by its class, ``(B, 1, spatial)``."""
    target = prepared.target
    positive, negative = balanced_weights(prepared)
    if prepared.is_exclusive:
        return (positive * target).sum(1, keepdim=True)
    return positive * target + negative * (1 - target)


def _excused_errors(prediction: Tensor, border: Tensor, skeletons: Tensor, labelled: Tensor) -> Tensor:
    # `import monai_cwmi` does without scipy and scikit-image.
    from monai_cwmi.maps.critical_errors import critical_errors

    masks = torch.cat((prediction, border, skeletons, labelled), dim=1)  # (B, 4, spatial)
    critical = torch.stack([torch.from_numpy(critical_errors(*image)) for image in masks.numpy(force=True)])
    return (prediction != border) & ~critical[:, None].to(border.device)
