"""Lists of images for a MONAI data set, with errors that say what is missing."""

from __future__ import annotations

import os
from pathlib import Path

from monai.data import load_decathlon_datalist

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def load_datalist(dataset_dir: str | os.PathLike[str], section: str) -> list[dict[str, str]]:
    """Read one section of a folder in the layout of the Medical Segmentation Decathlon.

    Args:
        dataset_dir: the folder, which holds a ``dataset.json``.
        section: ``"training"``, ``"validation"`` or ``"test"``.

    Returns:
        One dictionary for each case, with the absolute paths of its ``"image"`` and, where there is one, ``"label"``.

    Raises:
        FileNotFoundError: When the folder, or the ``dataset.json`` in it, does not exist.
        ValueError: When ``dataset.json`` does not have the section, or the section is empty.

    Example::

        load_datalist("my_dataset", "training")  # [{"image": ".../imagesTr/a.png", "label": ".../labelsTr/a.png"}]
    """
    folder = Path(dataset_dir)
    datalist = folder / "dataset.json"
    if not datalist.is_file():
        problem = "has no dataset.json" if folder.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"The data set folder {folder} {problem}. Fetch a sample with 'python -m monai_cwmi fetch-sample "
            "myelin_sem', or point dataset_dir at a folder in the Medical Segmentation Decathlon layout."
        )
    # MONAI looks at the first case of a section before it asks whether there is one.
    try:
        cases: list[dict[str, str]] = load_decathlon_datalist(datalist.resolve(), data_list_key=section)
    except IndexError:
        cases = []
    if not cases:
        raise ValueError(f"The section {section!r} of {datalist} lists no cases.")
    return cases


def list_images(image_dir: str | os.PathLike[str]) -> list[dict[str, str]]:
    """List the images in a folder for inference, with their labels where there are any.

    Args:
        image_dir: the folder. Files that are not PNG, JPEG or BMP are passed over. Where its name begins with
            ``images``, as in the layout of the Medical Segmentation Decathlon, a file of the same name in the
            ``labels`` folder beside it (``imagesTs`` and ``labelsTs``) is the label of an image.

    Returns:
        One ``{"image": path}``, or ``{"image": path, "label": path}``, for each image, sorted by name.

    Raises:
        FileNotFoundError: When the folder does not exist or holds no image.

    Example::

        list_images("my_images")  # [{"image": "my_images/a.png"}, {"image": "my_images/b.png"}]
    """
    folder = Path(image_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f"The image folder {image_dir} does not exist.")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"The image folder {image_dir} holds no image ({', '.join(IMAGE_SUFFIXES)}).")
    label_folder = folder.parent / folder.name.replace("images", "labels", 1)
    cases = []
    for path in paths:
        label = label_folder / path.name
        has_label = label_folder != folder and label.is_file()
        cases.append({"image": str(path)} | ({"label": str(label)} if has_label else {}))
    return cases
