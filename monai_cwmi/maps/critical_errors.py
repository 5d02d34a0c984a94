"""Which errors of a prediction change how its border and its objects hang together."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from monai_cwmi.maps.skeleton_weights import lee_skeleton


def critical_errors(
    prediction: np.ndarray, target: np.ndarray, skeletons: np.ndarray, labelled: np.ndarray
) -> np.ndarray:
    """Regions of error that lie on a skeleton, and so break the border or close it where it is open.

    A region of missed pixels is critical where it carries a piece of the prediction's background skeleton or of the
    target's border skeleton; a region of false pixels, where it carries a piece of the prediction's border skeleton or
    of the target's background skeleton. Regions are connected by the sides of pixels.

    Args:
        prediction: Pixels of the predicted border, ``(spatial)``, bool.
        target: Pixels of the border.
        skeletons: Those of the target's border and of its background.
        labelled: Pixels that have a class. The others are no errors, and the prediction has nothing there.

    Returns:
        ``(spatial)``, bool. Errors that are not in it can be excused.

    Example:
        >>> target = np.array([[0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=bool)
        >>> prediction = np.array([[0, 1, 1, 0, 0], [1, 1, 0, 0, 1], [0, 0, 0, 0, 0]], dtype=bool)
        >>> skeletons = lee_skeleton(target)
        >>> critical_errors(prediction, target, skeletons, np.ones_like(target)).astype(int)
        array([[0, 0, 0, 0, 0],
               [0, 0, 1, 1, 0],
               [0, 0, 0, 0, 0]])
    """
    # A skeleton lies within its mask: missed pixels carry no other skeletons than those two, false ones neither.
    lines = skeletons | lee_skeleton(prediction & labelled) | lee_skeleton(~prediction & labelled)
    critical = np.zeros(target.shape, dtype=bool)
    for wrong in (~prediction & target & labelled, prediction & ~target & labelled):  # missed, false
        regions, count = ndimage.label(wrong)
        is_critical = np.zeros(count + 1, dtype=bool)
        is_critical[regions[lines & wrong]] = True
        critical |= is_critical[regions]
    return critical
