"""The weight map of the U-Net paper, which is large where two objects nearly touch."""

from __future__ import annotations

import numpy as np

from monai_cwmi.maps.distances import two_nearest_objects
from monai_cwmi.maps.transform import AppendMapsd

_LARGEST, _SIGMA = 10, 5  # w0 and sigma (in pixels) of the paper


def border_weight(borders: np.ndarray, objects: np.ndarray) -> np.ndarray:
    r"""Extra weight of border pixels: :math:`10 \exp(-(d_1 + d_2)^2 / (2 \cdot 5^2))`.

    :math:`d_1` and :math:`d_2` are the distances to the nearest and the second nearest object, in pixels; with a single
    object :math:`d_2 = d_1`, and with none the weight is 0. The equation is (2) of the paper, without its class weight.

    Args:
        borders: Pixels of the borders, ``(spatial)``, bool.
        objects: Pixels of the objects, ``(spatial)``, bool. Pixels that are neither are unlabelled.

    Returns:
        ``(spatial)``, 0 where there is no border.

    Example:
        >>> objects = np.array([True, True, False, False, True])
        >>> border_weight(~objects, objects).round(2)
        array([0.  , 0.  , 8.35, 8.35, 0.  ])

    References:
        O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
        MICCAI 2015, https://arxiv.org/abs/1505.04597.
    """
    nearest, second = two_nearest_objects(objects)
    return np.where(borders, _LARGEST * np.exp(-((nearest + second) ** 2) / (2 * _SIGMA**2)), 0)


class BorderWeightd(AppendMapsd):
    """Append the weight map of :func:`border_weight` to a label, for BorderWeightedCELoss.

    One map (``M = 1``). The arguments, and where among the transforms it belongs: see
    :class:`monai_cwmi.maps.transform.AppendMapsd`.

    Example:
        >>> label = np.array([[[0, 1, 1, 0]]])
        >>> BorderWeightd("label")({"label": label})["label"].shape
        (2, 1, 4)
    """

    def maps(self, label: np.ndarray) -> np.ndarray:  # noqa: D102 - the base class says it
        return border_weight(*self.masks(label))[None]
