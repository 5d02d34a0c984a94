"""The map of :class:`monai_cwmi.losses.SkeletonRecallLoss`."""

from __future__ import annotations

import numpy as np
from monai.config import KeysCollection

from monai_cwmi.maps.skeleton import tubed_skeletons
from monai_cwmi.maps.transform import AppendMapsd


class TubedSkeletond(AppendMapsd):
    """Append the tubed skeletons of a label's classes, as :class:`monai_cwmi.losses.SkeletonRecallLoss` needs them.

    A label ``(1, spatial)`` becomes ``(2, spatial)``: class indices, then the index of the class whose skeleton,
    dilated by two pixels within the class, a pixel lies on; 0 elsewhere, and everywhere in the background. Unlike the
    other transforms of maps it has no ``foreground``: each class but 0 has a skeleton, and none is the others' border.

    Args:
        keys: Keys of the labels.
        ignore_index: Class of unlabelled pixels, if there is one: it has no skeleton.
        allow_missing_keys: Whether to pass by keys that are not there.

    Example:
        >>> label = np.zeros((1, 7, 40), dtype=np.uint8)
        >>> label[:, 2:5] = 1
        >>> TubedSkeletond("label")({"label": label})["label"][:, :, 20]
        array([[0., 0., 1., 1., 1., 0., 0.],
               [0., 0., 1., 1., 1., 0., 0.]], dtype=float32)
    """

    def __init__(self, keys: KeysCollection, ignore_index: int | None = None, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, ignore_index=ignore_index, allow_missing_keys=allow_missing_keys)

    def maps(self, label: np.ndarray) -> np.ndarray:
        """Compute the map ``(1, spatial)`` of a label ``(spatial)``."""
        return tubed_skeletons(label, ignore_index=self.ignore_index)[None]
