"""Losses with weight maps: their transforms, literal formulas and small examples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from monai_cwmi.losses.adaptive_boundary import ABWLoss
from monai_cwmi.losses.border_weighted_ce import BorderWeightedCELoss
from monai_cwmi.losses.mapped import MappedLoss
from monai_cwmi.losses.skea_topo import SkeaTopoLoss
from monai_cwmi.maps import AdaptiveBoundaryWeightsd, BorderWeightd, SkeletonWeightsd
from monai_cwmi.maps.critical_errors import critical_errors
from monai_cwmi.maps.transform import AppendMapsd

LOSSES: dict[type[MappedLoss], type[AppendMapsd]] = {
    BorderWeightedCELoss: BorderWeightd,
    ABWLoss: AdaptiveBoundaryWeightsd,
    SkeaTopoLoss: SkeletonWeightsd,
}
SHAPES = [(13, 10), (7, 6, 5)]
EXCLUSIVE: dict[str, Any] = {"softmax": True, "to_onehot_y": True}


def with_maps(loss_type: type[MappedLoss], label: torch.Tensor, ignore_index: int | None = None) -> torch.Tensor:
    """Append its maps to each label of a batch ``(B, 1, spatial)``."""
    transform: Any = LOSSES[loss_type]("label", ignore_index=ignore_index)
    return torch.stack([transform({"label": image})["label"] for image in label])


def example(
    loss_type: type[MappedLoss], shape: tuple[int, ...], channels: int, ignore_index: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Float64 logits ``(2, C, spatial)`` and a target with maps; class 1 is the border."""
    generator = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(generator.normal(size=(2, 1, *shape)), (0, 0, *[1.0] * len(shape)))
    label = (np.abs(smooth) < np.quantile(np.abs(smooth), 0.4)).astype(float)
    if channels > 2:
        label[(label == 0) & (smooth > 0)] = 2
    if ignore_index is not None:
        label[generator.random(label.shape) < 0.15] = ignore_index
    logits = torch.from_numpy(generator.normal(size=(2, channels, *shape))).requires_grad_()
    return logits, with_maps(loss_type, torch.from_numpy(label), ignore_index)


def border_weighted(p: np.ndarray, label: np.ndarray, maps: np.ndarray, labelled: np.ndarray) -> float:
    """The loss of one image; p ``(C, spatial)``."""
    counts = [np.count_nonzero(label[labelled] == index) for index in range(len(p))]
    total = 0.0
    for place in zip(*np.nonzero(labelled), strict=True):
        index = int(label[place])
        weight = max(counts) / counts[index] + (maps[0][place] if index == 1 else 0)
        total -= weight * math.log(p[index][place])
    return total / np.count_nonzero(labelled)


def adaptive(p: np.ndarray, label: np.ndarray, maps: np.ndarray, labelled: np.ndarray) -> float:
    """The loss of one image."""
    total = 0.0
    for place in zip(*np.nonzero(labelled), strict=True):
        as_border, as_object = maps[0][place], maps[1][place]
        if as_border > as_object:
            total -= as_border * math.log(p[1][place])
        else:
            total -= as_object * math.log(p[int(label[place])][place])
    return total / np.count_nonzero(labelled)


def skeleton_aware(p: np.ndarray, label: np.ndarray, maps: np.ndarray, labelled: np.ndarray) -> float:
    """The loss of one image, both terms."""
    places = list(zip(*np.nonzero(labelled), strict=True))
    trained = {place: 1 if maps[0][place] > maps[1][place] else int(label[place]) for place in places}
    counts = [list(trained.values()).count(index) for index in range(len(p))]
    entropy = weights = boundary = 0.0
    critical = critical_errors(p[1] > 0.5, (label == 1) & labelled, (maps[2] > 0) & labelled, labelled)
    for place in places:
        weight = 10 * max(maps[0][place], maps[1][place]) + max(counts) / counts[trained[place]]
        weights += weight
        entropy -= weight * math.log(p[trained[place]][place])
        right = p[1][place] if label[place] == 1 else 1 - p[1][place]
        is_error = (p[1][place] > 0.5) != (label[place] == 1)
        boundary += right if is_error and not critical[place] else 1 - right
    return entropy / weights + boundary / len(places)


FORMULAS: dict[type[MappedLoss], Callable[..., float]] = {
    BorderWeightedCELoss: border_weighted,
    ABWLoss: adaptive,
    SkeaTopoLoss: skeleton_aware,
}
