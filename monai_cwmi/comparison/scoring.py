"""One image's prediction against its target, by all metrics of the paper and some more."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_dice, compute_iou, compute_surface_dice
from monai.networks import one_hot
from torch import Tensor

from monai_cwmi.metrics import functional

UNLABELLED = 255
SURFACE_TOLERANCE = 1.0  # of the surface Dice, in pixels


class Scored(NamedTuple):
    """Classes of an image's pixels.

    Attributes:
        prediction: ``(1, C, spatial)``, true where the pixel is of the class.
        target: The same.
        labelled: ``(1, 1, spatial)``, false where nobody knows.
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
        The metrics by name. They are infinite or NaN where they have no value, as a distance to nothing.
    """
    prediction, target, labelled = scored
    inside, truth = (each[:, foreground : foreground + 1] for each in (prediction, target))
    components: dict[str, Any] = {"component_value": component_value, "mask": labelled}
    surface = {"include_background": True, "spacing": None}
    distance = compute_average_surface_distance(inside.float(), truth.float(), symmetric=True, **surface)
    surface_dice = compute_surface_dice(inside.float(), truth.float(), [SURFACE_TOLERANCE], **surface)
    values = {
        "miou": compute_iou(prediction.float(), target.float(), ignore_empty=False).mean(),
        "mdice": compute_dice(prediction.float(), target.float(), ignore_empty=False).mean(),
        "vi": functional.variation_of_information(inside, truth, **components),
        "ari": functional.adjusted_rand_index(inside, truth, **components),
        "mhd": functional.modified_hausdorff(inside, truth, mask=labelled),
        "betti0": functional.betti_error(inside, truth, dimension=0, **components),
        "betti1": functional.betti_error(inside, truth, dimension=1, **components),
        "cldice": functional.cl_dice(inside, truth, mask=labelled),
        "assd": distance,
        "surface_dice": surface_dice,
    }
    return {name: value.item() for name, value in values.items()}


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
