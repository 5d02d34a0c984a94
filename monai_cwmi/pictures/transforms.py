"""Pictures as a step of a MONAI pipeline."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence

from monai.config import KeysCollection
from monai.data import FolderLayout, MetaTensor
from monai.transforms import MapTransform

from monai_cwmi.pictures.panels import save_panels


class SavePanelsd(MapTransform):
    """Save image, target and prediction side by side, as ``<image file>_<key>.png``.

    Images and labels are of shape (1, X, Y): MONAI's reader of PNG files puts the horizontal axis first, and the
    picture is drawn upright. The data pass through unchanged.

    Args:
        keys: keys of the predictions, class indices.
        output_dir: folder to write to; it is made when needed.
        class_names: names for the legend, the background's first.
        image_key: key of the image, whose metadata names the file.
        label_key: key of the target. Where a case has none, its panel is left out.

    Raises:
        ValueError: When called with an array that is not of shape (1, X, Y), or as
            :func:`monai_cwmi.pictures.save_panels` says.

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
        image = data[self.image_key]
        # MONAI's evaluators store None for a label that a case does not have.
        target = None if data.get(self.label_key) is None else _upright(data, self.label_key)
        for key in self.key_iterator(data):
            layout = FolderLayout(self.output_dir, postfix=str(key), extension=".png")
            save_panels(
                layout.filename(image.meta["filename_or_obj"]),
                _upright(data, self.image_key),
                _upright(data, key),
                target,
                class_names=self.class_names,
            )
        return dict(data)


def _upright(data: Mapping[Hashable, MetaTensor], key: Hashable) -> MetaTensor:
    array = data[key]
    if array.ndim != 3 or array.shape[0] != 1:
        raise ValueError(f"{key!r} must have the shape (1, X, Y), got {tuple(array.shape)}.")
    return array[0].T
