"""Data sets written in the layout of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import

Image, _ = optional_import("PIL.Image")

Region = tuple[tuple[int, int], tuple[int, int]]  # first and past-the-last row, and the same of the columns


@dataclass(frozen=True)
class Case:
    """An image and its label, about to be written.

    Attributes:
        section: ``"training"``, ``"validation"`` or ``"test"``.
        name: the name of its files.
        writers: what writes each of them, given its path: ``"image"`` and ``"label"``.
        patient: what it must not be parted from when a data set is split; its name when there is nothing.
    """

    section: str
    name: str
    writers: Mapping[str, Callable[[Path], object]]
    patient: str | None = None


def picture_case(section: str, stem: str, image: np.ndarray, label: np.ndarray, patient: str | None = None) -> Case:
    """A case of two PNG files.

    Args:
        section: as in :class:`Case`.
        stem: the name of its files without a suffix.
        image: grey (H, W) or colour (H, W, 3), uint8.
        label: class indices (H, W), uint8.
        patient: as in :class:`Case`.
    """
    writers = {key: Image.fromarray(array).save for key, array in {"image": image, "label": label}.items()}
    return Case(section, f"{stem}.png", writers, patient)


def cut_cases(image: np.ndarray, label: np.ndarray, sections: Mapping[str, Sequence[Region]]) -> Iterator[Case]:
    """Cases cut out of one picture, named after their section and numbered where it has several.

    Args:
        image: as in :func:`picture_case`.
        label: as in :func:`picture_case`.
        sections: the regions of each.
    """
    for section, regions in sections.items():
        for number, (rows, columns) in enumerate(regions):
            region = slice(*rows), slice(*columns)
            stem = f"{section}_{number}" if len(regions) > 1 else section
            yield picture_case(section, stem, image[region], label[region])


def write_dataset(folder: Path, metadata: Mapping[str, Any], cases: Iterable[Case]) -> None:
    """Write a data set.

    Args:
        folder: an empty folder.
        metadata: what its ``dataset.json`` says beside the cases.
        cases: taken one at a time, so that they need not be in memory together.
    """
    dataset: dict[str, Any] = dict(metadata)
    for case in cases:
        entry = {}
        for key, write in case.writers.items():
            path = Path(f"{key}sTs" if case.section == "test" else f"{key}sTr") / case.name
            (folder / path).parent.mkdir(exist_ok=True)
            write(folder / path)
            entry[key] = path.as_posix()
        if case.patient is not None:
            entry["patient"] = case.patient
        dataset.setdefault(case.section, []).append(entry)
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=2) + "\n")
