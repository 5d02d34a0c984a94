"""Skeletons of classes, as tubes that lie within them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

_RADIUS = 2  # of the tubes, in pixels, as in the paper


def skeleton(mask: np.ndarray) -> np.ndarray:
    """Skeleton of a mask, at least one pixel of each of its components.

    It is scikit-image's, which thins volumes after Lee and deletes some small bodies altogether, a cube of two voxels
    for one. Of such a component, the pixel farthest from its border stands for the skeleton.

    Args:
        mask: ``(H, W)`` or ``(H, W, D)``, bool.

    Returns:
        Mask of the same shape.

    Example:
        >>> skeleton(np.array([[0, 1, 1, 1]] * 5, dtype=bool)).astype(int)
        array([[0, 0, 1, 0],
               [0, 0, 1, 0],
               [0, 0, 1, 0],
               [0, 0, 0, 0],
               [0, 0, 0, 0]])
        >>> int(skeleton(np.ones((2, 2, 2), dtype=bool)).sum())
        1

    References:
        T. Y. Zhang and C. Y. Suen, "A fast parallel algorithm for thinning digital patterns", CACM 27(3), 1984 (plane).
        T.-C. Lee, R. L. Kashyap and C.-N. Chu, "Building skeleton models via 3-D medial surface/axis thinning
        algorithms", CVGIP 56(6), 1994 (space).
    """
    thin = skeletonize(mask)
    components, count = ndimage.label(mask, structure=np.ones((3,) * mask.ndim))
    lost = np.setdiff1d(np.arange(1, count + 1), components[thin])
    if lost.size:
        # In a frame of background: a mask that fills its array has no border otherwise.
        depth = ndimage.distance_transform_edt(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim]
        deepest = ndimage.maximum_position(depth, components, lost)
        thin[tuple(np.transpose(deepest))] = True
    return thin


def tubed_skeletons(label: np.ndarray, *, ignore_index: int | None = None) -> np.ndarray:
    """Skeletons of all classes but the background, dilated by two pixels within their class.

    The dilation takes in the pixels of the class that are at most two steps along the axes away.

    Args:
        label: Class indices ``(H, W)`` or ``(H, W, D)``.
        ignore_index: Class that has no skeleton, as it stands for unlabelled pixels.

    Returns:
        Index of the class on whose tube a pixel lies, or 0; of the same shape and dtype.

    Example:
        >>> label = np.zeros((9, 20), dtype=int)
        >>> label[1:8] = 1
        >>> tubed_skeletons(label)[:, 10]
        array([0, 0, 1, 1, 1, 1, 1, 0, 0])

    References:
        Y. Kirchhoff et al., "Skeleton Recall Loss for Connectivity Conserving and Resource Efficient Segmentation of
        Thin Tubular Structures", ECCV 2024, section 3. There the skeleton is that of all classes together, shared out
        to the classes it lies in; here each class has its own. With one class besides the background they are the same.
    """
    tubes = np.zeros_like(label)
    for index in np.setdiff1d(label, [0] if ignore_index is None else [0, ignore_index]):
        mask = label == index
        tubes[mask & ndimage.binary_dilation(skeleton(mask), iterations=_RADIUS)] = index
    return tubes
