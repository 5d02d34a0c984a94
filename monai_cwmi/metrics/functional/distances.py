"""How far two masks are apart."""

from __future__ import annotations

import math

from scipy import ndimage
from torch import Tensor

from monai_cwmi.metrics.functional.masks import Mask, score_images


def modified_hausdorff(prediction: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Modified Hausdorff distance between the foregrounds of prediction and target, in pixels.

    The mean distance of a mask's pixels from the nearest pixel of the other mask, or the same with the masks exchanged,
    whichever is larger. All pixels of the foreground count, not those of its surface alone.

    Args:
        prediction: Binary masks ``(B, 1, H, W)`` or ``(B, 1, H, W, D)``.
        target: The same shape.
        mask: The same shape, bool, false where the target is not labelled.

    Returns:
        ``(B,)``; NaN where both masks are empty, infinite where one is.

    Raises:
        TypeError: When ``mask`` is not bool.
        ValueError: When shapes do not fit or values are not binary.

    Example:
        >>> import torch
        >>> modified_hausdorff(torch.tensor([[[[1, 1, 0, 0]]]]), torch.tensor([[[[0, 0, 0, 1]]]]))
        tensor([2.5000])

    References:
        M.-P. Dubuisson and A. K. Jain, "A modified Hausdorff distance for object matching", ICPR 1994,
        https://doi.org/10.1109/ICPR.1994.576361.
    """
    return score_images(_modified_hausdorff, prediction, target, mask)


def _modified_hausdorff(prediction: Mask, target: Mask, _labelled: Mask) -> float:
    if not (prediction.any() and target.any()):
        return math.inf if prediction.any() or target.any() else math.nan
    return max(_mean_distance(prediction, target), _mean_distance(target, prediction))


def _mean_distance(points: Mask, others: Mask) -> float:
    return float(ndimage.distance_transform_edt(~others)[points].mean())
