"""Nuclei of cells in several kinds of microscopy: the Data Science Bowl 2018, or BBBC038.

Images of several sizes, (H, W, 3), whose nuclei are marked one by one. Nuclei that touch are kept apart: what touches
another nucleus is background, so that the connected regions of the foreground are the nuclei. The download is read as
one mask for each nucleus, or as copies have it, one picture of the numbers of the nuclei for each image.

Source: J. C. Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", Nature
Methods, 2019; image set BBBC038 of the Broad Bioimage Benchmark Collection. Licence: CC0.

Example::

    prepare_download("dsb2018", "downloads/stage1_train")
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from monai_cwmi.data.layouts.download import (
    COLOUR,
    Download,
    Pair,
    advise,
    check_sizes,
    list_files,
    order_sections,
    pair_files,
    progress,
    read_colour,
    read_mask,
)
from monai_cwmi.data.pictures import load_picture
from monai_cwmi.data.writing import Case, picture_case, write_dataset

DSB2018_SOURCE = "https://bbbc.broadinstitute.org/BBBC038"
DSB2018_METADATA = {
    "name": "dsb2018",
    "description": "Nuclei of cells in several kinds of microscopy",
    "reference": "Data Science Bowl 2018, BBBC038, Caicedo et al. 2019, https://doi.org/10.1038/s41592-019-0612-7",
    "licence": "CC0",
    "label_origin": "manual; what touches another nucleus is background",
    "section_origin": "images in order of names: test: the last third; validation: the last fifth of the others",
    "modality": COLOUR,
    "labels": {"0": "background", "1": "nucleus"},
}
_OVERLAP = -1  # the number of pixels that belong to several nuclei


def separate_nuclei(numbers: np.ndarray) -> np.ndarray:
    """Make background of all pixels of nuclei that touch another nucleus, an edge or a corner of it.

    A nucleus of which nothing else is left, being very narrow, is lost.

    Args:
        numbers: the number of the nucleus (H, W) at each pixel, 0 where there is none and -1 where there are several.

    Returns:
        Class indices (H, W), uint8, where 1 is nucleus. No connected region of them is of two nuclei.

    Example::

        separate_nuclei(np.array([[1, 1, 2, 2, 0]]))  # [[1, 0, 0, 1, 0]]
    """
    rows, columns = numbers.shape
    numbers = numbers.astype(np.int64)
    padded = np.pad(numbers, 1)
    label = numbers > 0
    for row, column in itertools.product(range(3), repeat=2):
        neighbours = padded[row : row + rows, column : column + columns]
        label &= (neighbours == 0) | (neighbours == numbers)
    return label.astype(np.uint8)


def _find(root: Path) -> list[Pair]:
    labels = list_files(root, "labels/*.png")
    if labels:
        expected = {image: root / "labels" / image.name for image in list_files(root, "images/*.png")}
        for image, label in expected.items():
            if not image.stat().st_size:  # said before that its label is missing, which it often is too
                with advise(image, label):
                    raise ValueError(f"{image} cannot be read as an image: the file is empty.")
        return pair_files(expected, labels)
    # A pair for each nucleus, all of an image's with the same image and its name as the part.
    files = [*list_files(root, "*/images/*.png"), *list_files(root, "*/masks/*.png")]
    return [pair for case in sorted({path.parent.parent for path in files}) for pair in _pair_masks(case)]


def _pair_masks(folder: Path) -> list[Pair]:
    image, masks = folder / "images" / f"{folder.name}.png", list_files(folder, "masks/*.png")
    if not image.is_file():
        raise FileNotFoundError(f"The masks in {folder / 'masks'} have no image: there is no {image}.")
    if not masks:
        raise FileNotFoundError(
            f"The image {image} has no masks: there is no {folder / 'masks'}/*.png. Of the download only stage1_train "
            "has masks; keep other parts elsewhere."
        )
    return [Pair(image, mask, folder.name) for mask in masks]


def _prepare(pairs: Sequence[Pair], folder: Path) -> None:
    write_dataset(folder, DSB2018_METADATA, _cases(pairs))


def _cases(pairs: Sequence[Pair]) -> Iterator[Case]:
    by_image: dict[Path, list[Pair]] = {}
    for pair in pairs:
        by_image.setdefault(pair.image, []).append(pair)
    sections = order_sections([path.stem for path in by_image])
    for section, (path, parts) in progress(list(zip(sections, by_image.items(), strict=True)), "Preparing"):
        with advise(path, parts[0].label.parent if parts[0].part else parts[0].label):
            image = read_colour(path)
            numbers = _join_masks(image, parts) if parts[0].part else _read_numbers(image, *parts)
        yield picture_case(section, path.stem, image, separate_nuclei(numbers))


def _read_numbers(image: np.ndarray, pair: Pair) -> np.ndarray:
    numbers = load_picture(pair.label)
    if numbers.ndim != 2 or numbers.dtype == bool:
        raise ValueError(
            f"{pair.label} does not hold the numbers of nuclei; it holds {numbers.dtype} of shape {numbers.shape}."
        )
    check_sizes(pair, image, numbers)
    return numbers


def _join_masks(image: np.ndarray, pairs: Sequence[Pair]) -> np.ndarray:
    numbers = np.zeros(image.shape[:2], np.int64)
    for number, pair in enumerate(pairs, 1):
        mask = read_mask(pair.label)
        check_sizes(pair, image, mask)
        numbers[mask] = np.where(numbers[mask] == 0, number, _OVERLAP)
    return numbers


DSB2018 = Download(source=DSB2018_SOURCE, patterns=("labels/*.png", "*/masks/*.png"), find=_find, prepare=_prepare)
