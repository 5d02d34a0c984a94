"""An image, its label and a prediction, from files of every kind that bundles read and write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from monai.networks import one_hot
from monai.transforms import EnsureChannelFirst, LoadImage, Orientation
from torch import Tensor

from monai_cwmi.data.labels import grid_defect
from monai_cwmi.data.pictures import PictureReader

_PICTURES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
_ARRAYS = (".npy",)
_SUM_SLACK, _RANGE_SLACK = 0.02, 1e-3  # probabilities in half precision, or resampled


@dataclass(frozen=True)
class ExplainedCase:
    """One image with its target and a prediction, all on one grid.

    Attributes:
        image: Grey values ``(1, X, Y)`` or ``(1, X, Y, Z)``, or red, green and blue ``(3, X, Y)``. MONAI's order: the
            horizontal axis of a picture first; the axes of a volume run to the patient's right, front and head.
        target: One-hot, ``(C, X, Y[, Z])`` in float32.
        probabilities: Of the classes, the same shape; they add up to 1.
        class_names: ``C`` names, the background's first.
        spacing: Distance between pixels or voxels along each axis.
        unit: Of the spacing: ``"mm"``, ``"px"`` where nothing is known of it, or another.
        is_decided: Whether the prediction was a label map, whose probabilities are 0 and 1.
    """

    image: Tensor
    target: Tensor
    probabilities: Tensor
    class_names: tuple[str, ...]
    spacing: tuple[float, ...]
    unit: str
    is_decided: bool


def read_case(
    image: str | os.PathLike[str],
    label: str | os.PathLike[str],
    prediction: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    label_values: Sequence[int] | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "mm",
) -> ExplainedCase:
    """Read a case.

    Pictures (PNG, TIFF, JPEG, BMP), volumes (NIfTI, NRRD, MHA, MHD) and folders with a DICOM series. Volumes are turned
    to RAS; all three must lie on one grid. A prediction may also be a NumPy file ``(C, X, Y[, Z])`` of the image's
    array as MONAI reads it.

    Args:
        image: The image.
        label: Its label map.
        prediction: A label map; or probabilities, one channel for each class, or a single one of the foreground.
        class_names: Of the classes, the background's first. Default: ``class 1``, ``class 2``, ...
        label_values: What label maps hold for the classes 0, 1, ..., where it is not these numbers. Evenly spread grey
            values up to 255, as bundles write them into PNG files, need not be told.
        spacing: Of the pixels of a picture, which knows none itself.
        unit: Of ``spacing``.

    Raises:
        ValueError: When one cannot be read, grids differ, values are no classes, or probabilities are none.

    Example::

        read_case("scan.nii.gz", "label.nii.gz", "scan_seg.nii.gz", class_names=["background", "liver", "lesion"])
    """
    paths = {"image": image, "label": label, "prediction": prediction}
    arrays = {name: _load(path, name) for name, path in paths.items()}
    scan = arrays["image"]
    dims = scan.ndim - 1
    if dims not in (2, 3):
        raise ValueError(f"The image {image} must have two or three axes, but its shape is {tuple(scan.shape[1:])}.")
    for name, path in (("label", label), ("prediction", prediction)):
        _check_grid(arrays[name], name, path, scan, image, dims)
    if len(arrays["label"]) != 1:
        raise ValueError(f"The label {label} must have one channel of class indices, but has {len(arrays['label'])}.")
    if spacing is not None and (dims == 3 or len(spacing) != 2 or min(spacing) <= 0):
        raise ValueError("spacing is that of a picture's pixels, two positive numbers; a volume's is in its own file.")
    is_decided = len(arrays["prediction"]) == 1 and _are_whole(arrays["prediction"])
    maps = {"label": arrays["label"]} | ({"prediction": arrays["prediction"]} if is_decided else {})
    count = len(class_names) if class_names is not None else None
    if not is_decided:
        probabilities = _as_probabilities(arrays["prediction"].as_tensor().float(), prediction)
        if count not in (None, len(probabilities)):
            raise ValueError(
                f"The prediction {prediction} has {len(probabilities)} channels, but there are {count} classes."
            )
        count = len(probabilities)
    indices = class_indices({name: array.as_tensor() for name, array in maps.items()}, count, label_values)
    if count is None:
        count = max(2, *(int(index.max()) + 1 for index in indices.values()))
    channels = {name: one_hot(index[None].long(), num_classes=count, dim=1)[0] for name, index in indices.items()}
    return ExplainedCase(
        image=scan.as_tensor().float() if len(scan) == 3 and dims == 2 else scan.as_tensor()[:1].float(),
        target=channels["label"],
        probabilities=channels["prediction"] if is_decided else probabilities,
        class_names=tuple(class_names or ("background", *(f"class {index}" for index in range(1, count)))),
        spacing=tuple(scan.pixdim.tolist()) if dims == 3 else tuple(spacing or (1.0, 1.0)),
        unit="mm" if dims == 3 else "px" if spacing is None else unit,
        is_decided=is_decided,
    )


def class_indices(
    maps: dict[str, Tensor], num_classes: int | None = None, label_values: Sequence[int] | None = None
) -> dict[str, Tensor]:
    """Class indices of label maps that hold indices, or grey values for them.

    Args:
        maps: Label maps by name, the label's own among them.
        num_classes: ``C``, where it is known.
        label_values: What the maps hold for the classes in their order. A map that holds indices is left as it is.

    Returns:
        The same maps as class indices. Without ``label_values``, a map is taken to hold indices unless it has the value
        255. Then its values must be among 256 levels of grey spread evenly over the classes; or, where the number of
        classes is not known, among those of the label, which are the classes in their order.

    Raises:
        ValueError: When values are no classes.

    Example:
        >>> maps = {"label": torch.tensor([0, 1, 2]), "prediction": torch.tensor([0, 128, 255])}
        >>> class_indices(maps)["prediction"].tolist()
        [0, 1, 2]
    """
    for name, array in maps.items():
        if not _are_whole(array):
            raise ValueError(f"The {name} must hold whole numbers from 0 on: class indices, or grey values for them.")
    values = {name: np.unique(array.numpy()).astype(int).tolist() for name, array in maps.items()}
    if label_values is not None:
        codes = list(label_values)
        count = len(codes) if num_classes is None else num_classes
    else:
        plain = [held[-1] + 1 for held in values.values() if held[-1] != 255]
        count = num_classes or max([2, *plain] if plain else [2, len(values["label"])])
        known = num_classes is not None or plain
        codes = [round(255 * index / (count - 1)) for index in range(count)] if known else values["label"]
    result = {}
    for name, held in values.items():
        if held[-1] < count and held[-1] != 255 and not (label_values and set(held) <= set(codes)):
            result[name] = maps[name]
        elif set(held) <= set(codes):
            result[name] = torch.from_numpy(np.searchsorted(np.sort(codes), maps[name].numpy()))
            result[name] = torch.from_numpy(np.argsort(codes))[result[name]]
        else:
            unknown = sorted(set(held) - set(codes if held[-1] >= 255 or label_values else range(count)))
            raise ValueError(
                f"The {name} holds {unknown[:8]}, which are none of the {count} classes 0 to {count - 1}. "
                "Say with label_values which grey values stand for the classes."
            )
    return result


def _load(path: str | os.PathLike[str], name: str) -> MetaTensor:
    """Channel-first array, volumes in RAS."""
    source = Path(path)
    if not source.exists():
        raise ValueError(f"The {name} {source} does not exist.")
    suffix = source.suffix.lower()
    try:
        if suffix in _ARRAYS:
            if name != "prediction":
                raise ValueError("NumPy files have no grid; only the prediction may be one")
            return MetaTensor(np.load(source, allow_pickle=False))
        is_picture = suffix in _PICTURES
        channels = 3 if name == "image" else None  # a label has no colours, but stored values
        reader = PictureReader(channels) if is_picture else "monai_cwmi.clinic.reader.ScanReader"
        array = EnsureChannelFirst()(LoadImage(reader=reader, image_only=True, dtype=None)(source))
    except Exception as error:  # readers raise all kinds
        reason = " ".join(str(error.__cause__ or error).split())
        raise ValueError(f"The {name} {source} cannot be read: {reason[:300]}") from error
    if is_picture and channels and (array == array[:1]).all():
        return array[:1]  # grey
    return Orientation("RAS", labels=None)(array) if array.ndim == 4 else array


def _check_grid(array: MetaTensor, name: str, path: object, scan: MetaTensor, image: object, dims: int) -> None:
    if array.shape[1:] != scan.shape[1:]:
        shapes = f"{tuple(array.shape[1:])}, the image {image} {tuple(scan.shape[1:])}"
        raise ValueError(f"The {name} {path} has the shape {shapes}: they must be of one size.")
    if dims == 3 and Path(str(path)).suffix not in _ARRAYS:
        defect = grid_defect(array, scan)
        if defect:
            raise ValueError(f"The {name} {path} does not fit: {defect}.")


def _as_probabilities(prediction: Tensor, path: object) -> Tensor:
    low, high = prediction.min().item(), prediction.max().item()
    if not (low >= -_RANGE_SLACK and high <= 1 + _RANGE_SLACK):  # NaN must fail
        raise ValueError(
            f"The prediction {path} must hold class indices or probabilities from 0 to 1, but reaches from {low:g} to "
            f"{high:g}. Logits need a softmax first."
        )
    if len(prediction) == 1:
        return torch.cat([1 - prediction, prediction]).clamp(0, 1)
    off = (prediction.sum(0) - 1).abs().max().item()
    if off > _SUM_SLACK:
        raise ValueError(f"The probabilities of {path} must add up to 1 at each voxel, but are up to {off:.3g} away.")
    return prediction.clamp(0, 1)


def _are_whole(array: Tensor) -> bool:
    values = torch.as_tensor(array)
    return bool(((values >= 0) & (values == values.round())).all())
