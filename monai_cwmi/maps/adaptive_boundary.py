"""Weights that fall off from the border and from an object's inside, on the scale of each object."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from monai_cwmi.maps.distances import distance_to
from monai_cwmi.maps.transform import AppendMapsd

_BORDER, _LARGEST, _SPREAD = 30, 10, 2.58  # an object's largest distance is 2.58 standard deviations: 99 % of a normal


def adaptive_boundary_weights(borders: np.ndarray, objects: np.ndarray) -> np.ndarray:
    r"""Weights of a pixel as border and as object.

    With :math:`D` the distance of an object's pixel to the nearest pixel of the border, :math:`m` the largest :math:`D`
    in its object and :math:`s = m / 2.58`, a pixel weighs :math:`10 \exp(-D^2 / 2 s^2)` as border and
    :math:`10 \exp(-(m - D)^2 / 2 s^2)` as object. Pixels of the border weigh 30 as border and 0 as object. Objects are
    connected by the sides of pixels.

    Args:
        borders: Pixels of the borders, ``(spatial)``, bool.
        objects: Pixels of the objects, ``(spatial)``, bool. Pixels that are neither are unlabelled; both their weights
            are 0. Objects end there, as they do at the edge of the image, but that is no border.

    Returns:
        ``(2, spatial)``: the weight as border and as object. Where there is no border, :math:`D = m`.

    Example:
        >>> objects = np.array([True, True, True, False])
        >>> adaptive_boundary_weights(~objects, objects).round(2)
        array([[ 0.36,  2.28,  6.91, 30.  ],
               [10.  ,  6.91,  2.28,  0.  ]])

    References:
        W. Liu et al., "Boundary Learning by Using Weighted Propagation in Convolution Network",
        https://arxiv.org/abs/1905.09226.
    """
    components, count = ndimage.label(objects)
    distance = distance_to(borders)
    largest = np.append(0, ndimage.maximum(distance, components, np.arange(1, count + 1)))[components]
    relative = np.ones(objects.shape)  # D / m
    np.divide(distance, largest, out=relative, where=objects & np.isfinite(largest))
    as_border, as_object = (_LARGEST * np.exp(-((_SPREAD * r) ** 2) / 2) for r in (relative, 1 - relative))
    return np.stack((np.where(objects, as_border, _BORDER * borders), np.where(objects, as_object, 0)))


class AdaptiveBoundaryWeightsd(AppendMapsd):
    """Append the weight maps of :func:`adaptive_boundary_weights` to a label, for ABWLoss.

    Two maps (``M = 2``). The arguments, and where among the transforms it belongs: see
    :class:`monai_cwmi.maps.transform.AppendMapsd`.

    Example:
        >>> label = np.array([[[0, 1, 1, 0]]])
        >>> AdaptiveBoundaryWeightsd("label")({"label": label})["label"].shape
        (3, 1, 4)
    """

    def maps(self, label: np.ndarray) -> np.ndarray:  # noqa: D102 - the base class says it
        return adaptive_boundary_weights(*self.masks(label))
