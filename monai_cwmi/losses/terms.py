"""What losses make of a prepared prediction and target: the pair to compare, cross-entropy, one number in the end."""

from __future__ import annotations

import torch
from monai.utils import LossReduction
from torch import Tensor

from monai_cwmi.losses.cross_entropy import cross_entropy
from monai_cwmi.losses.preparation import Preparation, Prepared


def compared_pair(prepared: Prepared) -> tuple[Tensor, Tensor]:
    """Probabilities and target ``(B, C, spatial)`` of the channels to compare, both 0 where voxels do not count."""
    probabilities, target = prepared.probabilities[:, prepared.compared], prepared.target[:, prepared.compared]
    return probabilities if prepared.mask is None else torch.where(prepared.mask, probabilities, 0.0), target


def compared_entropy(
    prepared: Prepared,
    prepare: Preparation,
    dtype: torch.dtype,
    *,
    weight: Tensor | None = None,
    balanced: bool = False,
) -> Tensor:
    """Cross-entropy, ``(B, 1)`` of exclusive classes, else ``(B, C)`` of the channels to compare.

    Args:
        prepared: Prediction and target.
        prepare: The options they were prepared with.
        dtype: Of the prediction before it was prepared.
        weight: Of the classes, as in :func:`monai_cwmi.losses.cross_entropy.cross_entropy`, and so what follows.
        balanced: Whether each image's class counts give the weights.
    """
    resolution = torch.finfo(dtype).eps
    entropy = cross_entropy(
        prepared, from_sigmoid=prepare.sigmoid, weight=weight, balanced=balanced, resolution=resolution
    )
    return entropy if prepared.is_exclusive else entropy[:, prepared.compared]


def reduced(values: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of all values, or the values as they are (``"none"``)."""
    if reduction == LossReduction.MEAN.value:
        return values.mean()
    return values.sum() if reduction == LossReduction.SUM.value else values
