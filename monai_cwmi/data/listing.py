"""Folders of images to label."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from monai_cwmi.data.datalists import (
    IMAGE_SUFFIXES,
    Case,
    is_dicom,
    join_channels,
    pair_labels,
    read_list,
    strip_suffix,
    visible,
)


def list_images(image_dir: str | os.PathLike[str]) -> list[Case]:
    """List the images in a folder for inference, with their labels where there are any.

    Args:
        image_dir: the folder. It holds image files (PNG, JPEG, BMP, NIfTI, NRRD, MHA or MHD; others are passed over),
            sub-folders with a DICOM series each, or is itself the folder of one series. Where its name begins with
            ``images``, as in the layout of the Medical Segmentation Decathlon, a file of the same name in the
            ``labels`` folder beside it (``imagesTs`` and ``labelsTs``) is the label of an image. The suffix may
            differ, and nnU-Net's number of the channel may be missing (``a_0000.nii.gz`` and ``a.nii.gz``).

    Returns:
        One ``{"image": path}``, or ``{"image": path, "label": path}``, for each image, sorted by name. Where the
        ``dataset.json`` of nnU-Net beside the folder names several channels, ``"image"`` lists the files of a case.

    Raises:
        FileNotFoundError: When the folder does not exist or holds no image.
        ValueError: When two images have the same name but for the suffix: so would what is written for them.

    Example::

        list_images("my_images")  # [{"image": "my_images/a.png"}, {"image": "my_images/b.png"}]
    """
    folder = Path(image_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f"The image folder {image_dir} does not exist.")
    paths = _image_files(folder)
    paths += [path for path in folder.iterdir() if path.is_dir() and _holds_dicom(path)]
    if not paths and _holds_dicom(folder):
        paths = [folder]
    if not paths:
        suffixes = ", ".join(IMAGE_SUFFIXES)
        raise FileNotFoundError(f"The image folder {image_dir} holds no image ({suffixes}, or folders of DICOM files).")
    _check_names(paths)
    datalist = folder.parent / "dataset.json"
    has_channels = datalist.is_file() and len(read_list(datalist).get("channel_names", ())) > 1
    images = join_channels(paths) if has_channels else sorted(paths)
    label_folder = folder.parent / folder.name.replace("images", "labels", 1)
    return pair_labels(images, _image_files(label_folder) if label_folder != folder and label_folder.is_dir() else [])


def _check_names(paths: Iterable[Path]) -> None:
    by_name: dict[str, list[str]] = {}
    for path in sorted(paths):
        by_name.setdefault(path.name if path.is_dir() else strip_suffix(path), []).append(str(path))
    clashes = [" and ".join(same) for same in by_name.values() if len(same) > 1]
    if clashes:
        raise ValueError(
            f"What is written for one of these images would overwrite that of the other: {'; '.join(clashes)}. "
            "Give them names that differ in more than the suffix, or put them into folders of their own."
        )


def _image_files(folder: Path) -> list[Path]:
    return [path for path in visible(folder) if path.is_file() and path.name.lower().endswith(IMAGE_SUFFIXES)]


def _holds_dicom(folder: Path) -> bool:
    return any(path.is_file() and is_dicom(path) for path in visible(folder))
