"""What losses make of a prepared prediction and target: the pair to compare, cross-entropy, one number in the end."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_cwmi.losses.cross_entropy import cross_entropy
from monai_cwmi.losses.preparation import Prepared
from monai_cwmi.losses.voxel_sums import VoxelSums, voxel_sums

REDUCTIONS = ("mean", "sum", "none")


def compared_pair(prepared: Prepared) -> tuple[Tensor, Tensor]:
    """Probabilities and target ``(B, C, spatial)`` of the channels to compare, both 0 where voxels do not count."""
    probabilities, target = prepared.probabilities[:, prepared.compared], prepared.target[:, prepared.compared]
    return probabilities if prepared.mask is None else torch.where(prepared.mask, probabilities, 0.0), target


def compared_entropy(prepared: Prepared) -> Tensor:
    """Cross-entropy, ``(B, 1)`` of exclusive classes, else ``(B, C)`` of the channels to compare."""
    entropy = cross_entropy(voxel_sums(prepared))
    return entropy if prepared.is_exclusive else entropy[:, prepared.compared]


def dice_loss(sums: VoxelSums) -> Tensor:
    """Soft Dice loss of each image and channel, ``(B, C)``.

    That of MONAI's ``DiceLoss(smooth_nr=1, smooth_dr=1)``, which ``torch.compile`` does not take as a whole. Smoothed
    by one voxel, false alarms of one voxel in all cost a half where a class is absent; with MONAI's default of 1e-5
    they have no gradient of use, or one beyond half precision.
    """
    return 1 - (2 * sums.overlap + 1) / (sums.prediction + sums.target + 1)


def check_reduction(reduction: str) -> str:
    """The word itself, also of a member of MONAI's ``LossReduction``.

    Raises:
        ValueError: When it is none of ``"mean"``, ``"sum"`` and ``"none"``.
    """
    word = getattr(reduction, "value", reduction)
    if word not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}.")
    return str(word)


def check_weights(**weights: float) -> None:
    """Raise a ``ValueError`` that names a weight which is negative or not finite."""
    for name, value in weights.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} must not be negative, and finite, got {value}.")


def reduced(values: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of all values, or the values as they are (``"none"``)."""
    if reduction == "mean":
        return values.mean()
    return values.sum() if reduction == "sum" else values
