"""Files of the data set, each of which is there as a whole or not at all."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from monai_cwmi.clinic.inspection import Inspection
from monai_cwmi.clinic.ledger import SCRATCH, Ledger
from monai_cwmi.clinic.overview import draw_case
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.segmentations import Classes, read_label

sitk, _ = optional_import("SimpleITK")
tqdm, _ = optional_import("tqdm", name="tqdm")


def progress(items: Sequence[Any], name: str) -> Any:
    """Go through cases with a progress bar, where there is a terminal to show it."""
    return tqdm(items, desc=name, unit=" cases", disable=None)


def case_paths(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Return where image, label and picture of a case are, in the order in which they are written."""
    image, label = (folder / kind / f"{name}.nii.gz" for kind in ("imagesTr", "labelsTr"))
    return image, label, folder / "report" / f"{name}.png"


def is_written(folder: Path, name: str) -> bool:
    """Tell whether every file of a case is there."""
    return all(path.exists() for path in case_paths(folder, name))


def write_cases(folder: Path, cases: dict[str, Inspection], classes: Classes) -> int:
    """Write what is not there yet, and return how many cases that concerned."""
    missing = [name for name in sorted(cases) if not is_written(folder, name)]
    for name in progress(missing, "Writing"):
        image = read_scan(cases[name].pair.image)
        label, _ = read_label(cases[name].pair.label, image, classes)
        writers = partial(sitk.WriteImage, image), partial(sitk.WriteImage, label), partial(draw_case, image, label)
        for path, write in zip(case_paths(folder, name), writers, strict=True):
            if not path.exists():
                _write_whole(folder, path, write)
    return len(missing)


def write_text(folder: Path, name: str, text: str) -> None:
    """Write a file of text."""
    _write_whole(folder, folder / name, lambda path: path.write_text(text, encoding="utf-8"))


def write_key(path: Path, ledger: Ledger, inspections: Sequence[Inspection]) -> None:
    """Write which case is which scan and which patient."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Readable by its owner alone from the first byte on.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "patient", "name of the patient", "image", "label"])
        for name, case in sorted(ledger.names(inspections).items()):
            writer.writerow([name, ledger.cases[name].patient, case.patient, case.pair.image, case.pair.label.path])


def _write_whole(folder: Path, path: Path, write: Callable[[Path], object]) -> None:
    # A killed process leaves its unfinished file in the scratch folder, where the next run writes over it.
    unfinished = folder / SCRATCH / path.name
    for each in (unfinished, path):
        each.parent.mkdir(parents=True, exist_ok=True)
    write(unfinished)
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)
