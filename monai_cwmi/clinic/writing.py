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
from monai_cwmi.clinic.nifti import write_nifti
from monai_cwmi.clinic.overview import draw_case
from monai_cwmi.clinic.problems import Problem, one_line
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.segmentations import Classes, read_label
from monai_cwmi.data.whole_files import whole_file

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


def write_cases(folder: Path, cases: dict[str, Inspection], classes: Classes) -> tuple[int, dict[str, Problem]]:
    """Write what is not there yet.

    Returns:
        How many cases were written, and for each that was not, by its name, why.
    """
    missing = [name for name in sorted(cases) if not is_written(folder, name)]
    problems = {}
    for name in progress(missing, "Writing"):
        try:
            _write_case(folder, name, cases[name], classes)
        except Exception as error:  # a full disk, a scan that is gone: other cases may fit, and be there
            message = (
                f"could not be written as {name} ({type(error).__name__}: {one_line(error)}): give the command again"
            )
            problems[name] = Problem("error", cases[name].pair.image.path, message)
    return len(missing) - len(problems), problems


def _write_case(folder: Path, name: str, case: Inspection, classes: Classes) -> None:
    image = read_scan(case.pair.image)
    label, _ = read_label(case.pair.label, image, classes)
    writers = partial(write_nifti, image), partial(write_nifti, label), partial(draw_case, image, label)
    for path, write in zip(case_paths(folder, name), writers, strict=True):
        if not path.exists():
            _write_whole(folder / SCRATCH / path.name, path, write)


def write_text(folder: Path, name: str, text: str) -> None:
    """Write a file of text."""
    path = folder / name
    _write_whole(folder / SCRATCH / path.name, path, lambda path: path.write_text(text, encoding="utf-8"))


def write_key(path: Path, ledger: Ledger, inspections: Sequence[Inspection]) -> None:
    """Write which case is which scan and which patient."""
    if path.exists():
        raise FileExistsError(f"The key {path} exists; nothing is overwritten.")
    rows = [["case", "patient", "name of the patient", "image", "label"]]
    for name, case in sorted(ledger.names(inspections).items()):
        rows.append([name, ledger.cases[name].patient, case.patient, str(case.pair.image), str(case.pair.label.path)])

    def write(unfinished: Path) -> None:
        unfinished.unlink(missing_ok=True)
        # Readable by its owner alone from the first byte on.
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    _write_whole(path.with_name(f"{path.name}.partial"), path, write)


def _write_whole(unfinished: Path, path: Path, write: Callable[[Path], object]) -> None:
    with whole_file(path, unfinished):
        for each in (unfinished, path):
            each.parent.mkdir(parents=True, exist_ok=True)
        write(unfinished)
