"""Vessels in fundus photographs: DRIVE, Digital Retinal Images for Vessel Extraction.

Photographs are round. Published figures are those of the field of view, which the folder ``mask`` of the download
shows. Where it is there, pixels outside have the label of those that nobody labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai_cwmi.data.layouts.download import (
    COLOUR,
    OUTSIDE,
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
_FIELDS = "mask"


def _find(root: Path) -> list[Pair]:
    pairs = []
    for part in ("training", "test"):
        labels = list_files(root / part, "1st_manual/*.gif")
        if labels or part == "training":  # newer downloads have no labels of the test images
            pairs += _with_fields(root / part, pair_files(_expected_labels(root / part), labels, part))
    fields = {pair.part: pair.field is not None for pair in pairs}
    if len(set(fields.values())) > 1:
        with_field, without = sorted(fields, key=lambda part: not fields[part])
        raise FileNotFoundError(
            f"{root / with_field} has fields of view, but there is no {root / without / _FIELDS}. Add it; or remove "
            "the other to do without."
        )
    return pairs


def _with_fields(part: Path, pairs: Sequence[Pair]) -> list[Pair]:
    there = list_files(part, f"{_FIELDS}/*")
    if not there:
        return list(pairs)
    for pair in pairs:
        if (field := _expected_field(pair.image)) not in there:
            raise FileNotFoundError(
                f"The image {pair.image} has no field of view: there is no {field}. Add it; or remove the folders "
                f"{_FIELDS} of all parts to do without."
            )
    return [replace(pair, field=_expected_field(pair.image)) for pair in pairs]


def _expected_field(image: Path) -> Path:
    # 21_training.tif and 21_training_mask.gif
    return image.parents[1] / _FIELDS / f"{image.stem}_mask.gif"


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
    metadata: dict[str, Any] = DRIVE_METADATA | {"section_origin": origin}
    if pairs[0].field:
        metadata["ignore_index"] = OUTSIDE
    write_dataset(folder, metadata, colour_cases(sections, read_mask))


DRIVE = Download(source=DRIVE_SOURCE, patterns=("training/images/*.tif",), find=_find, prepare=_prepare)
