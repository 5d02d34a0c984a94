"""Labels that fit their images and their classes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapLabelValue, MapTransform

_SHOWN = 8  # values in a message


class CheckLabeld(MapTransform):
    """Refuse a label that does not lie on its image's grid or has values that are no classes, and name the case.

    Labels and images are pictures (C, X, Y), or volumes (C, X, Y, Z) with the same order of axes, as after
    ``Orientationd``. A label has one channel. Grids agree when they are of one size and, of volumes, no voxel lies more
    than half a voxel from its counterpart. The data pass through unchanged, but for what ``label_values`` says.

    Args:
        keys: keys of the labels.
        num_classes: number of classes, the background included.
        image_key: key of the image. None: the grid is not checked.
        label_values: the values in the files that stand for the classes, the background's first; or a mapping of values
            to class indices, in which several may be of one class. Labels become class indices. Default: they hold
            these already.
        allow_missing_keys: whether a case may lack a label.

    Raises:
        ValueError: When ``label_values`` does not fit ``num_classes``. When called with a label that does not fit; the
            message names its file.

    Example::

        CheckLabeld(keys="label", num_classes=3)
        CheckLabeld(keys="label", num_classes=2, label_values=[0, 255])
    """

    def __init__(
        self,
        keys: KeysCollection,
        num_classes: int,
        image_key: str | None = "image",
        label_values: Sequence[int] | Mapping[Any, int] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.num_classes = num_classes
        self.image_key = image_key
        self.class_of = _read_label_values(label_values, num_classes)

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        """Check the label of each key."""
        result = dict(data)
        for key in self.key_iterator(result):
            label = result[key]
            defect = f"it has {len(label)} channels instead of one of class indices" if len(label) != 1 else None
            if defect and label.ndim == 3:
                defect += ". Save it as a grey picture, or one with a palette, without transparency"
            if not defect and self.image_key is not None:
                defect = grid_defect(label, result[self.image_key])
            defect = defect or _value_defect(label, self.num_classes, self.class_of)
            if defect:
                advice = "" if label.ndim == 3 else " prepare-dataset finds all such labels of a data set at once."
                raise ValueError(f"The label {_name(label)} does not fit: {defect}.{advice}")
            if self.class_of is not None:
                values, classes = list(self.class_of), list(self.class_of.values())
                result[key] = MapLabelValue(values, classes, label.dtype)(label)
        return result


def grid_defect(label: MetaTensor, image: MetaTensor) -> str | None:
    """What keeps a label (C, X, Y[, Z]) from lying on its image's grid, in words; ``None`` when nothing does."""
    sizes, its_sizes = (tuple(array.shape[1:]) for array in (label, image))
    name = _name(image)
    if len(sizes) == 2:
        return _size_defect(sizes, its_sizes, name)
    if sizes != its_sizes:
        return f"it has {sizes} voxels and its image, {name}, {its_sizes}"
    # How far the farthest corner can be from its counterpart, along each axis.
    reach = torch.tensor([*sizes, 1], dtype=label.affine.dtype)
    distance = float(((label.affine - image.affine).abs()[:3] @ reach).max())
    if distance > float(image.pixdim.min()) / 2:
        return f"it lies up to {distance:.3g} mm away from its image, {name}, by the origin, spacing or direction"
    return None


def _size_defect(sizes: tuple[int, ...], its_sizes: tuple[int, ...], name: object) -> str | None:
    if sizes == its_sizes:
        return None
    texts = [" x ".join(map(str, each)) for each in (sizes, its_sizes)]
    defect = f"it has {texts[0]} pixels and its image, {name}, {texts[1]}"
    if sizes == its_sizes[::-1]:
        defect += " as a viewer shows it. Turn the label, if the image has an orientation in its EXIF metadata"
    return defect


def _read_label_values(given: Any, num_classes: int) -> dict[int, int] | None:
    """The class of each value in the files."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        pairs = list(given.items())
    elif isinstance(given, Sequence) and not isinstance(given, str):
        pairs = [(value, index) for index, value in enumerate(given)]
    else:
        raise ValueError(f"label_values must be a list of values or a mapping of values to classes, got {given!r}.")
    try:
        # JSON has texts as keys.
        class_of = {_whole(value): _whole(index) for value, index in pairs}
    except (TypeError, ValueError) as error:
        raise ValueError(f"label_values must hold whole numbers, got {given!r}.") from error
    if len(class_of) != len(pairs):
        raise ValueError(f"label_values names a value twice: {given!r}.")
    if not class_of or not all(0 <= index < num_classes for index in class_of.values()):
        raise ValueError(f"label_values, {given!r}, must name some of {num_classes} classes, 0 to {num_classes - 1}.")
    return class_of


def _whole(value: Any) -> int:
    if int(value) != float(value):
        raise ValueError(f"{value!r} is no whole number.")
    return int(value)


def _value_defect(label: MetaTensor, num_classes: int, class_of: Mapping[int, int] | None) -> str | None:
    values = label.as_tensor()
    if class_of is not None:
        known = torch.isin(values, torch.tensor(list(class_of), dtype=values.dtype, device=values.device))
        if known.all():
            return None
        return f"it holds {_list_values(values[~known])}, for which label_values, {dict(class_of)}, has no class"
    low, high = map(float, values.aminmax())
    # Not the reverse comparison: NaN must fail.
    if not (low >= 0 and high < num_classes):
        defect = f"its values reach from {low:g} to {high:g}, but there are {num_classes} classes, 0 to"
        return f"{defect} {num_classes - 1}{_advise_values(values, num_classes)}"
    if (values != values.round()).any():
        return "some of its values are no whole numbers"
    return None


def _advise_values(values: torch.Tensor, num_classes: int) -> str:
    """How the classes could be told, where it is likely that the values stand for some."""
    held = values.unique()
    if not held.isfinite().all() or (held != held.round()).any():
        return ""
    if len(held) > max(_SHOWN, num_classes):
        return f". It holds {len(held)} values: save it without loss (PNG, not JPEG), resized without interpolation"
    codes = sorted({0, *map(int, held)})  # the background may be in other files only
    pairs = {code: min(index, num_classes - 1) for index, code in enumerate(codes)}
    option = codes if len(codes) <= num_classes else pairs
    return f'. It holds {_list_values(held)}: say which class each value is, as with --label_values "{option}"'


def _list_values(values: torch.Tensor) -> str:
    held = [f"{float(value):g}" for value in values.unique()]
    return ", ".join(held[:_SHOWN]) + (f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else "")


def _name(array: MetaTensor) -> Any:
    return array.meta.get("filename_or_obj")
