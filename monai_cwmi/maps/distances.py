"""Distances, in pixels, to the objects between the borders of a label."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def distance_to(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest pixel of a mask.

    Args:
        mask: ``(spatial)``, bool.

    Returns:
        ``(spatial)``, 0 in the mask; infinite everywhere if the mask is empty.

    Example:
        >>> distance_to(np.array([True, False, False]))
        array([0., 1., 2.])
    """
    return ndimage.distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)


def two_nearest_objects(objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each pixel to the nearest object and to the second nearest.

    Objects are connected by the sides of pixels (connectivity 1).

    Args:
        objects: Pixels of all objects, ``(spatial)``, bool.

    Returns:
        Both distances, ``(spatial)`` each. A single object is taken for the second nearest too; without any, both
        distances are infinite.

    Example:
        >>> two_nearest_objects(np.array([True, False, False, False, True]))
        (array([0., 1., 2., 1., 0.]), array([4., 3., 2., 3., 4.]))
    """
    components, count = ndimage.label(objects)
    first = distance_to(objects)
    if count <= 1:
        return first, first
    places = ndimage.distance_transform_edt(~objects, return_distances=False, return_indices=True)
    nearest = components[tuple(places)]  # the number of each pixel's nearest object
    # An object other than the nearest has a number that differs from the nearest's in some bit. For each bit, all the
    # objects that differ in it are one mask; so twice the number of bits are enough, however many objects there are.
    second = np.full(objects.shape, np.inf)
    for bit in range(count.bit_length()):
        for value in (0, 1):
            others = objects & (components >> bit & 1 == value)
            differs = nearest >> bit & 1 != value
            second[differs] = np.minimum(second, distance_to(others))[differs]
    return first, second
