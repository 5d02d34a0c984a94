"""Scores of one image: its prediction against its target, by all metrics that a comparison reports."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from monai.networks import one_hot
from torch import Tensor

from monai_cwmi.comparison.cell_files import UNLABELLED
from monai_cwmi.comparison.reported_metrics import METRICS, Masks


class Scored(NamedTuple):
    """Classes of an image's pixels.

    Attributes:
        prediction: ``(1, C, spatial)``, true where the pixel is of the class.
        target: The same.
        labelled: ``(1, 1, spatial)``, false where there is no label.
    """

    prediction: Tensor
    target: Tensor
    labelled: Tensor


def as_classes(prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None = None) -> Scored:
    """Read what a bundle's evaluator holds after its postprocessing.

    Args:
        prediction: ``(C, spatial)`` one-hot or class by class, or ``(1, spatial)`` class indices.
        target: The same.
        num_classes: ``C``.
        ignore_index: Pixels of this class in the target do not count.

    Raises:
        ValueError: When one of them is neither.
    """
    labelled = torch.ones_like(target[:1], dtype=torch.bool)
    if target.shape[0] == 1 and ignore_index is not None:
        labelled = target != ignore_index
        target = torch.where(labelled, target, 0)
    channels = [_one_hot(each, num_classes, name) for each, name in ((prediction, "pred"), (target, "label"))]
    labelled = labelled & channels[1].any(0, keepdim=True)
    predicted, truth = ((each & labelled)[None] for each in channels)
    return Scored(predicted, truth, labelled[None])


def score(scored: Scored, *, foreground: int, component_value: int) -> dict[str, float]:
    """All metrics of an image. Distances are in pixels.

    Args:
        scored: Prediction and target.
        foreground: The class that the metrics of shape and topology are about; overlap is the mean over all classes.
        component_value: Which components those of topology count: the foreground's (1), or those that it separates (0),
            as the paper does.

    Returns:
        The metrics by their names in :data:`monai_cwmi.comparison.reported_metrics.METRICS`. They are infinite or NaN
        where they have no value, as a distance to nothing.
    """
    prediction, target, labelled = scored
    inside, truth = (each[:, foreground : foreground + 1] for each in (prediction, target))
    masks = Masks(prediction, target, inside, truth, labelled, component_value)
    return {name: metric.compute(masks).item() for name, metric in METRICS.items()}


def class_indices(scored: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and target as class indices, ``(spatial)`` in uint8; 255 where there is no label."""
    prediction, target = (each[0].float().argmax(0).byte() for each in (scored.prediction, scored.target))
    return prediction.numpy(), torch.where(scored.labelled[0, 0], target, UNLABELLED).numpy()


def _one_hot(tensor: Tensor, num_classes: int, name: str) -> Tensor:
    if tensor.shape[0] == num_classes and num_classes > 1:
        if not bool(((tensor == 0) | (tensor == 1)).all()):
            raise ValueError(f"{name} has {num_classes} channels, but not of 0 and 1: does the postprocessing decide?")
        return tensor.bool()
    if tensor.shape[0] != 1:
        raise ValueError(f"{name} has {tensor.shape[0]} channels, but there are {num_classes} classes.")
    if bool((tensor != tensor.round()).any()) or bool((tensor < 0).any()) or bool((tensor >= num_classes).any()):
        raise ValueError(f"{name} has one channel, but not of class indices below {num_classes}.")
    return one_hot(tensor[None], num_classes=num_classes)[0].bool()
