"""What every transform of maps does: read a label, and append maps to it as further channels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_data_type, convert_to_dst_type


class AppendMapsd(MapTransform, ABC):
    """Append maps that are computed from a label to that label, as channels behind it.

    A label ``(1, spatial)`` of class indices, an array or a tensor of any dtype, becomes ``(1 + M, spatial)`` of the
    same kind in float32: the class indices, then ``M`` maps. A MetaTensor keeps what it says of itself. The transform
    belongs after those which load, orient and resample, and before the random ones: it then runs once for each image of
    a cache, and random flips, rotations and crops (with nearest-neighbour interpolation) move maps and label together.
    Losses take the maps off again; labels for validation need none. Deep supervision (``DeepSupervisionLoss``) samples
    maps and label at the same voxels; of skeletons one voxel wide it leaves parts.

    Subclasses compute the maps in :meth:`maps`.

    Args:
        keys: Keys of the labels.
        foreground: The class of the borders (membranes, vessels): what is not of it is objects.
        ignore_index: Class of unlabelled pixels, if there is one.
        allow_missing_keys: Whether to pass by keys that are not there.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's name and type

    def __init__(
        self,
        keys: KeysCollection,
        foreground: int = 1,
        ignore_index: int | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.foreground = foreground
        self.ignore_index = ignore_index

    def __call__(self, data: Mapping[Hashable, NdarrayOrTensor]) -> dict[Hashable, NdarrayOrTensor]:
        """Append the maps to the label of each key.

        Raises:
            ValueError: When a label has not one channel, or values that are no whole numbers.
        """
        result = dict(data)
        for key in self.key_iterator(result):
            # By way of a tensor: numpy has no bfloat16.
            label = convert_data_type(result[key], torch.Tensor, dtype=torch.float32)[0].numpy(force=True)
            if label.ndim < 2 or label.shape[0] != 1:
                raise ValueError(
                    f"{type(self).__name__} takes a label with one channel of class indices, (1, spatial), but "
                    f"{key!r} has the shape {label.shape}."
                )
            if not (label == np.rint(label)).all():  # NaN is not equal to itself
                raise ValueError(f"{key!r} has class indices that are not whole numbers: was it resampled smoothly?")
            maps = self.maps(label[0].astype(np.int64))  # (M, spatial)
            stacked = np.concatenate((label, maps.astype(np.float32)))  # (1 + M, spatial)
            result[key] = convert_to_dst_type(stacked, result[key], dtype=np.float32)[0]
        return result

    @abstractmethod
    def maps(self, label: np.ndarray) -> np.ndarray:
        """Compute the maps of one label.

        Args:
            label: Class indices ``(spatial)``, int64.

        Returns:
            ``(M, spatial)``.
        """

    def masks(self, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The border's pixels and the objects' pixels of a label, ``(spatial)``; unlabelled pixels are neither."""
        borders = label == self.foreground
        return borders, ~borders if self.ignore_index is None else ~borders & (label != self.ignore_index)
