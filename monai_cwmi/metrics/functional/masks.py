"""What all metrics of masks share: checks, the way from tensors to arrays and back, and connected components."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from monai.utils import convert_to_tensor
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

Mask = NDArray[np.bool_]


def score_images(
    score: Callable[[Mask, Mask, Mask], float],
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None,
) -> Tensor:
    """Score each image of a batch by itself.

    Args:
        score: Takes prediction, target and where the target is labelled, ``(spatial)`` each; the first two are false
            where it is not.
        prediction: ``(B, 1, spatial)`` with two or three spatial axes; bool, or 0 and 1 of any dtype.
        target: The same shape.
        mask: The same shape, bool; ``None`` where all is labelled.

    Returns:
        ``(B,)`` in float32 on the prediction's device; NaN for images that are labelled nowhere.

    Raises:
        TypeError: When ``mask`` is not bool.
        ValueError: When shapes do not fit, a batch is empty, or a labelled pixel is neither 0 nor 1.
    """
    prediction, target = (convert_to_tensor(image, track_meta=False).detach() for image in (prediction, target))
    if prediction.ndim not in (4, 5) or prediction.shape[1] != 1:
        raise ValueError(f"prediction must be (B, 1, H, W) or (B, 1, H, W, D), got {tuple(prediction.shape)}.")
    if prediction.numel() == 0:
        raise ValueError(f"prediction is empty: its shape is {tuple(prediction.shape)}.")
    mask = torch.ones_like(target, dtype=torch.bool) if mask is None else convert_to_tensor(mask, track_meta=False)
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must be bool, true where the target is labelled, got {mask.dtype}.")
    for name, image in (("target", target), ("mask", mask)):
        if image.shape != prediction.shape:
            raise ValueError(f"{name} has shape {tuple(image.shape)}, but prediction {tuple(prediction.shape)}.")

    labelled = mask.cpu()
    predicted, truth = _binary(prediction, labelled, "prediction"), _binary(target, labelled, "target")
    images = (tensor[:, 0].numpy() for tensor in (predicted, truth, labelled))  # (B, spatial) each
    scores = torch.tensor([score(*image) for image in zip(*images, strict=True)], dtype=torch.float32)
    scores[~labelled.flatten(1).any(1)] = torch.nan
    return scores.to(prediction.device)


def label_components(region: Mask, connectivity: int) -> NDArray[np.int32]:
    """Number the connected components of a region.

    Args:
        region: ``(spatial)``, true where the region is.
        connectivity: How many axes a step to a neighbour may go along: 1 through faces, 2 through edges too, and so on
            up to the number of axes, as scikit-image counts it.

    Returns:
        The same shape: 1, 2, ... in the components and 0 outside.

    Raises:
        ValueError: When the connectivity is out of range.
    """
    if not 1 <= connectivity <= region.ndim:
        raise ValueError(f"connectivity must be from 1 to {region.ndim}, the number of axes, got {connectivity}.")
    labels: NDArray[np.int32] = ndimage.label(region, ndimage.generate_binary_structure(region.ndim, connectivity))[0]
    return labels


def select_region(image: Mask, labelled: Mask, component_value: int) -> Mask:
    """Where an image is labelled and has the value whose region is looked at.

    Raises:
        ValueError: When the value is neither 0 nor 1.
    """
    if component_value not in (0, 1):
        raise ValueError(f"component_value must be 0 or 1, got {component_value}.")
    return (image == bool(component_value)) & labelled


def _binary(image: Tensor, labelled: Tensor, name: str) -> Tensor:
    image = image.cpu()
    is_one = (image == 1) & labelled
    stray = image[labelled & ~is_one & (image != 0)]
    if stray.numel():
        raise ValueError(f"{name} must be a binary mask, bool or of the values 0 and 1, but has {stray[0].item():g}.")
    return is_one
