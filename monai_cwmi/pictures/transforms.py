"""Pictures as a step of a MONAI pipeline."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import FolderLayout, MetaTensor
from monai.transforms import MapTransform, Orientation
from monai.utils import convert_to_tensor

from monai_cwmi.pictures.panels import save_panels


class SavePanelsd(MapTransform):
    """Save image, target and prediction side by side, as ``<image file>_<key>.png``.

    Images and labels are of shape (1, X, Y) or (1, X, Y, Z). An image (3, X, Y) is drawn in colour; of others with more
    channels, the first is drawn.
    MONAI's reader of PNG files puts the horizontal axis first, and the picture is drawn upright. Of a volume, three
    slices are drawn, upright and in proportion whatever its orientation and voxel size, which the image's affine tells.
    The data pass through unchanged.

    Args:
        keys: keys of the predictions, class indices.
        output_dir: folder to write to; it is made when needed.
        class_names: names for the legend, the background's first.
        image_key: key of the image, whose metadata names the file.
        label_key: key of the target. Where a case has none, its panel is left out.

    Raises:
        ValueError: When called with an array of another shape, or as :func:`monai_cwmi.pictures.save_panels` says.

    Example::

        SavePanelsd(keys="pred", output_dir="eval", class_names=["background", "myelin", "axon"])
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | os.PathLike[str],
        class_names: Sequence[str],
        image_key: str = "image",
        label_key: str = "label",
    ) -> None:
        super().__init__(keys)
        self.output_dir = output_dir
        self.class_names = class_names
        self.image_key = image_key
        self.label_key = label_key

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        """Save one picture for each key."""
        source = data[self.image_key].meta["filename_or_obj"]
        # What follows the last dot is left off; the folder of a DICOM series is often named by numbers with dots.
        subject = f"{source}.dcm" if os.path.isdir(source) else source
        for key in self.key_iterator(data):
            layout = FolderLayout(self.output_dir, postfix=str(key), extension=".png")
            panels = read_panels(data, key, self.image_key, self.label_key)
            save_panels(layout.filename(subject), **panels, class_names=self.class_names)
        return dict(data)


def read_panels(data: Mapping[Hashable, MetaTensor], key: Hashable, image_key: str, label_key: str) -> dict[str, Any]:
    """What :func:`monai_cwmi.pictures.draw_panels` draws of a case: its arguments but for the names of the classes.

    Args:
        data: the case, as :class:`SavePanelsd` takes it.
        key: of the prediction.
        image_key: of the image.
        label_key: of the target.

    Raises:
        ValueError: When an array has another shape.
    """
    image = data[image_key]
    upright, spacing = _upright({image_key: image[:1]}, image_key, image.affine)
    if image.ndim == 3 and len(image) == 3:
        upright = image.permute(2, 1, 0)  # (Y, X, 3), red, green and blue
    # MONAI's evaluators store None for a label that a case does not have.
    has_target = data.get(label_key) is not None
    return {
        "image": upright,
        "prediction": _upright(data, key, image.affine)[0],
        "target": _upright(data, label_key, image.affine)[0] if has_target else None,
        "spacing": spacing,
    }


def _upright(
    data: Mapping[Hashable, MetaTensor], key: Hashable, affine: torch.Tensor
) -> tuple[torch.Tensor, list[float]]:
    """An array on the image's grid as :func:`save_panels` takes it, and the spacing of its axes."""
    array = data[key]
    if array.ndim not in (3, 4) or array.shape[0] != 1:
        raise ValueError(f"{key!r} must have the shape (1, X, Y) or (1, X, Y, Z), got {tuple(array.shape)}.")
    if array.ndim == 3:
        return array[0].T, [1.0, 1.0]
    oriented = Orientation("RAS", labels=None)(MetaTensor(convert_to_tensor(array), affine=affine))
    return oriented[0], oriented.pixdim.tolist()
