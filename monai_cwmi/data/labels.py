"""Labels that fit their images and their classes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform


class CheckLabeld(MapTransform):
    """Refuse a label that does not lie on its image's grid or has values that are no classes, and name the case.

    Labels and images are volumes (C, X, Y, Z) with the same order of axes, as after ``Orientationd``. Their grids agree
    when they are of one size and no voxel lies more than half a voxel from its counterpart. The data pass through
    unchanged.

    Args:
        keys: keys of the labels.
        num_classes: number of classes, the background included.
        image_key: key of the image.

    Raises:
        ValueError: When called with a label that does not fit. The message names its file.

    Example::

        CheckLabeld(keys="label", num_classes=3)
    """

    def __init__(self, keys: KeysCollection, num_classes: int, image_key: str = "image") -> None:
        super().__init__(keys)
        self.num_classes = num_classes
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        """Check the label of each key."""
        image = data[self.image_key]
        for key in self.key_iterator(dict(data)):
            defect = grid_defect(data[key], image) or _value_defect(data[key], self.num_classes)
            if defect:
                raise ValueError(
                    f"The label {data[key].meta.get('filename_or_obj')} does not fit: {defect}. "
                    "prepare-dataset finds all such labels of a data set at once."
                )
        return dict(data)


def grid_defect(label: MetaTensor, image: MetaTensor) -> str | None:
    """What keeps a label (C, X, Y, Z) from lying on its image's grid, in words; ``None`` when nothing does."""
    sizes, its_sizes = (tuple(volume.shape[1:]) for volume in (label, image))
    name = image.meta.get("filename_or_obj")
    if sizes != its_sizes:
        return f"it has {sizes} voxels and its image, {name}, {its_sizes}"
    # How far the farthest corner can be from its counterpart, along each axis.
    reach = torch.tensor([*sizes, 1], dtype=label.affine.dtype)
    distance = float(((label.affine - image.affine).abs()[:3] @ reach).max())
    if distance > float(image.pixdim.min()) / 2:
        return f"it lies up to {distance:.3g} mm away from its image, {name}, by the origin, spacing or direction"
    return None


def _value_defect(label: MetaTensor, num_classes: int) -> str | None:
    values = label.as_tensor()
    low, high = map(float, values.aminmax())
    # Not the reverse comparison: NaN must fail.
    if not (low >= 0 and high < num_classes):
        return f"its values reach from {low:g} to {high:g}, but there are {num_classes} classes, 0 to {num_classes - 1}"
    if (values != values.round()).any():
        return "some of its values are no whole numbers"
    return None
