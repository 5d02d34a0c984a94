"""Vessels in fundus photographs: DRIVE, Digital Retinal Images for Vessel Extraction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai_cwmi.data.layouts.download import (
    COLOUR,
    Download,
    Pair,
    colour_cases,
    list_files,
    pair_files,
    read_mask,
    split_pairs,
)
from monai_cwmi.data.writing import write_dataset

DRIVE_SOURCE = "https://drive.grand-challenge.org"
DRIVE_METADATA = {
    "name": "drive",
    "description": "Vessels in fundus photographs",
    "reference": "DRIVE, https://doi.org/10.1109/TMI.2004.825627",
    "licence": f"for research and education, by the terms of {DRIVE_SOURCE}",
    "label_origin": "manual, the first observer's",
    "modality": COLOUR,
    "labels": {"0": "background", "1": "vessel"},
}


def _find(root: Path) -> list[Pair]:
    pairs = []
    for part in ("training", "test"):
        labels = list_files(root / part, "1st_manual/*.gif")
        if labels or part == "training":  # newer downloads have no labels of the test images
            pairs += pair_files(_expected_labels(root / part), labels, part)
    return pairs


def _expected_labels(part: Path) -> dict[Path, Path]:
    # 21_training.tif and 21_manual1.gif
    return {
        image: part / "1st_manual" / f"{image.stem.split('_')[0]}_manual1.gif"
        for image in list_files(part, "images/*.tif")
    }


def _prepare(pairs: Sequence[Pair], folder: Path) -> None:
    training, test = ([pair for pair in pairs if pair.part == part] for part in ("training", "test"))
    if test:
        sections = split_pairs(training, {"training": 0.8, "validation": 0.2}) | {"test": test}
        origin = "test: the official test images; validation: a fifth of the training images"
    else:
        sections = split_pairs(training, {"training": 0.6, "validation": 0.2, "test": 0.2})
        origin = "validation and test: a fifth of the training images each; the test images have no labels"
        print(f"DRIVE: {origin}.")
    write_dataset(folder, DRIVE_METADATA | {"section_origin": origin}, colour_cases(sections, read_mask))


DRIVE = Download(source=DRIVE_SOURCE, patterns=("training/images/*.tif",), find=_find, prepare=_prepare)
