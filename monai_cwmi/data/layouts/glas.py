"""What lies between glands in stained tissue of the colon: the GlaS challenge, or Warwick-QU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from monai_cwmi.data.layouts.download import (
    COLOUR,
    Download,
    Pair,
    colour_cases,
    list_files,
    pair_files,
    split_pairs,
)
from monai_cwmi.data.pictures import load_picture
from monai_cwmi.data.writing import write_dataset

GLAS_SOURCE = "https://warwick.ac.uk/fac/cross_fac/tia/data/glascontest"
GLAS_METADATA = {
    "name": "glas",
    "description": "Glands in histological sections of colorectal cancer, and what lies between them",
    "reference": "GlaS, https://doi.org/10.1016/j.media.2016.08.008",
    "licence": f"for research, not commercial, by the terms of {GLAS_SOURCE}",
    "label_origin": "manual; glands that touch are one region here",
    "section_origin": "test: both official test parts; validation: a fifth of the training images",
    "modality": COLOUR,
    "labels": {"0": "gland", "1": "between"},
}
_PARTS = ("train_", "testA_", "testB_")


def _find(root: Path) -> list[Pair]:
    labels = list_files(root, "*_anno.bmp")
    images = [path for path in list_files(root, "*.bmp") if path not in set(labels)]
    for image in images:
        if not image.name.startswith(_PARTS):
            raise ValueError(f"{image} belongs to no part: its name begins with none of {', '.join(_PARTS)}.")
    expected = {image: image.with_name(f"{image.stem}_anno.bmp") for image in images}
    return pair_files(expected, labels)


def _prepare(pairs: Sequence[Pair], folder: Path) -> None:
    training = [pair for pair in pairs if pair.image.name.startswith("train_")]
    sections = split_pairs(training, {"training": 0.8, "validation": 0.2})
    sections["test"] = [pair for pair in pairs if pair not in training]
    write_dataset(folder, GLAS_METADATA, colour_cases(sections, _between_glands))


def _between_glands(path: Path) -> np.ndarray:
    """The mask (H, W) of what is no gland. The file numbers the glands; as in the paper, the numbers are not used."""
    numbers = load_picture(path)
    return numbers == 0 if numbers.ndim == 2 else (numbers == 0).all(-1)


GLAS = Download(source=GLAS_SOURCE, patterns=("*_anno.bmp",), find=_find, prepare=_prepare)
