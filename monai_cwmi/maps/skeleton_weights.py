"""Weights that follow the skeletons of objects and the width of the borders between them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

from monai_cwmi.maps.distances import distance_to, two_nearest_objects
from monai_cwmi.maps.skeleton import skeleton
from monai_cwmi.maps.transform import AppendMapsd


def lee_skeleton(mask: np.ndarray) -> np.ndarray:
    """Skeleton of a mask by Lee's method, in the plane too; at least one pixel of each of its components.

    Args:
        mask: ``(H, W)`` or ``(H, W, D)``, bool.

    Returns:
        Mask of the same shape.

    Example:
        >>> lee_skeleton(np.ones((3, 7), dtype=bool)).astype(int)
        array([[0, 0, 0, 0, 0, 0, 0],
               [1, 1, 1, 1, 1, 1, 1],
               [0, 0, 0, 0, 0, 0, 0]])
    """
    # In space scikit-image knows Lee's alone; what it loses there, skeleton() puts back.
    return skeleton(mask) if mask.ndim == 3 else skeletonize(mask, method="lee") > 0


def object_weight(objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Weight of a pixel as object, 1 on its object's skeleton and falling to 0 at the border, and the skeletons.

    The weight is :math:`1 - \min(d_0, d_1) / d_1`, with :math:`d_0` the distance to the nearest point of the object's
    :func:`lee_skeleton` and :math:`d_1` that point's distance to the nearest pixel outside. Objects are connected by
    the sides of pixels.

    Args:
        objects: Pixels of all objects, ``(spatial)``, bool.

    Returns:
        The weights ``(spatial)``, 0 outside, and the skeletons of all objects ``(spatial)``, bool.
    """
    to_outside = distance_to(~objects)  # infinite in an object that fills the image, which then weighs 1
    weights, skeletons = np.zeros(objects.shape), np.zeros(objects.shape, dtype=bool)
    components, _ = ndimage.label(objects)
    for number, window in enumerate(ndimage.find_objects(components), start=1):
        # One by one, since objects that touch at corners would share a skeleton; in a frame, for an outside.
        its_own = components[window] == number
        line = lee_skeleton(np.pad(its_own, 1))[(slice(1, -1),) * its_own.ndim]
        to_line, places = ndimage.distance_transform_edt(~line, return_indices=True)
        reach = to_outside[window][tuple(places)]
        weights[window][its_own] = 1 - np.minimum(to_line / reach, 1)[its_own]
        skeletons[window] |= line
    return weights, skeletons


def skeleton_weights(borders: np.ndarray, objects: np.ndarray) -> np.ndarray:
    r"""Weights of a pixel as border and as object, and the skeletons of both.

    As object: :func:`object_weight`. As border: :math:`1 + (2 M - d_1 - d_2) / 2 M`, with :math:`d_1` and :math:`d_2`
    the distances to the nearest and second nearest object (of :func:`monai_cwmi.maps.border.border_weight`) and
    :math:`M` the largest :math:`d_1` of the border. Far from a second object it would be negative and is 0; without any
    object it is 1. The border takes in those pixels beside it (by a side) that weigh more as border than as object.

    Args:
        borders: Pixels of the borders, ``(spatial)``, bool.
        objects: Pixels of the objects, ``(spatial)``, bool. Pixels that are neither are unlabelled: their weights are
            0, and they carry no skeleton.

    Returns:
        ``(3, spatial)``: the weight as border, which is 0 where a pixel is and stays an object's; the weight as object;
        1 on the skeletons of the border and of the objects.

    References:
        C. Liu et al., "Enhancing Boundary Segmentation for Topological Accuracy with Skeleton-based Methods",
        IJCAI 2024, https://arxiv.org/abs/2404.18539.
    """
    as_object, skeletons = object_weight(objects)
    skeletons |= lee_skeleton(borders)
    as_border = borders.astype(float)
    if objects.any() and borders.any():
        nearest, second = two_nearest_objects(objects)
        width = 2 * nearest[borders].max()
        weight = np.maximum(1 + (width - nearest - second) / width, 0)
        beside = ndimage.binary_dilation(borders) & objects
        as_border = np.where(borders | beside & (weight > as_object), weight, 0)
    return np.stack((as_border, as_object, skeletons))


class SkeletonWeightsd(AppendMapsd):
    """Append the maps of :func:`skeleton_weights` to a label, for SkeaTopoLoss.

    Three maps (``M = 3``). The arguments, and where among the transforms it belongs: see
    :class:`monai_cwmi.maps.transform.AppendMapsd`.

    Example:
        >>> label = np.array([[[0, 1, 1, 0]]])
        >>> SkeletonWeightsd("label")({"label": label})["label"].shape
        (4, 1, 4)
    """

    def maps(self, label: np.ndarray) -> np.ndarray:  # noqa: D102 - the base class says it
        return skeleton_weights(*self.masks(label))
