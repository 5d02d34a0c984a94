"""Membranes of neurites in serial electron micrographs: the training stack of SNEMI3D."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from monai.utils import optional_import

from monai_cwmi.data.layouts.download import Download, Pair, list_files, pair_files, progress, read_stack
from monai_cwmi.data.writing import Case, picture_case, write_dataset

find_boundaries, _ = optional_import("skimage.segmentation", name="find_boundaries")

SNEMI3D_SOURCE = "https://snemi3d.grand-challenge.org"
# One page is much like the next, so what is drawn at random must be blocks of pages: tenths of the stack, each of them
# a patient of its own to whatever splits the data set anew.
SNEMI3D_BLOCKS = 10
SNEMI3D_SECTIONS = ("training",) * 7 + ("validation",) + ("test",) * 2
SNEMI3D_METADATA = {
    "name": "snemi3d",
    "description": "Membranes of neurites in serial electron micrographs of mouse cortex",
    "reference": "SNEMI3D, https://doi.org/10.1016/j.cell.2015.06.054",
    "licence": f"by the terms of {SNEMI3D_SOURCE}",
    "label_origin": "borders of the manually traced neurites, and what belongs to none",
    "section_origin": "pages in order: seven tenths training, one validation, two test",
    "modality": {"0": "EM"},
    "labels": {"0": "background", "1": "membrane"},
}


def _find(root: Path) -> list[Pair]:
    return pair_files({root / "train-input.tif": root / "train-labels.tif"}, list_files(root, "train-labels.tif"))


def _prepare(pairs: Sequence[Pair], folder: Path) -> None:
    write_dataset(folder, SNEMI3D_METADATA, _cases(*pairs))


def _cases(pair: Pair) -> Iterator[Case]:
    images, neurites = read_stack(pair.image), read_stack(pair.label)  # (pages, H, W)
    if images.dtype != np.uint8 or images.ndim != 3 or len(images) < SNEMI3D_BLOCKS:
        raise ValueError(
            f"{pair.image} is not a stack of {SNEMI3D_BLOCKS} or more grey images of 8 bits; it holds {images.dtype} "
            f"of shape {images.shape}."
        )
    if neurites.shape != images.shape:
        raise ValueError(
            f"The label {pair.label} has shape {neurites.shape} and its image {pair.image} {images.shape}."
        )
    for page in progress(range(len(images)), "Preparing"):
        block = page * SNEMI3D_BLOCKS // len(images)
        label = _membranes(neurites[page])
        yield picture_case(SNEMI3D_SECTIONS[block], f"page_{page:03d}", images[page], label, patient=f"block_{block}")


def _membranes(neurites: np.ndarray) -> np.ndarray:
    """Class indices from the numbers of neurites, where 0 is none."""
    return (find_boundaries(neurites, connectivity=1, mode="thick") | (neurites == 0)).astype(np.uint8)


SNEMI3D = Download(source=SNEMI3D_SOURCE, patterns=("train-input.tif",), find=_find, prepare=_prepare)
