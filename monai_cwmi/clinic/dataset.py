"""A clinic's scans and labels as a data set to train on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai.utils import optional_import

from monai_cwmi.clinic.checks import SECTIONS, datalist_defects
from monai_cwmi.clinic.inspection import Inspection, compare_cases, inspect_case
from monai_cwmi.clinic.ledger import (
    LEDGER,
    SCRATCH,
    Ledger,
    enrol,
    ledger_problems,
    ledger_text,
    load_ledger,
    make_datalist,
)
from monai_cwmi.clinic.overview import csv_report, markdown_report
from monai_cwmi.clinic.pairing import pair_sources
from monai_cwmi.clinic.problems import Problem
from monai_cwmi.clinic.segmentations import Classes
from monai_cwmi.clinic.sources import Source, find_sources
from monai_cwmi.clinic.writing import is_written, progress, write_cases, write_key, write_text

FRACTIONS = (0.7, 0.1, 0.2)
PACKAGES = ("SimpleITK", "highdicom", "matplotlib", "nibabel", "pydicom", "tqdm")
Folder = str | os.PathLike[str]


@dataclass(frozen=True)
class Summary:
    """What a run of :func:`prepare_dataset` did.

    Attributes:
        out: the folder of the data set.
        written: how many cases were written in this run.
        sections: how many cases the data set has in each section.
        problems: what was wrong with the input. Paths of the input stand here and nowhere in the data set.
    """

    out: Path
    written: int
    sections: dict[str, int]
    problems: tuple[Problem, ...]

    @property
    def left_out(self) -> int:
        """How many scans, labels or folders have an error and were left out."""
        return len({problem.source for problem in self.problems if problem.severity == "error"})

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems]
        sections = ", ".join(f"{number} {section}" for section, number in self.sections.items())
        lines.append(f"Written: {self.written} cases. Left out: {self.left_out}. In {self.out}: {sections}.")
        return "\n".join(lines)


def prepare_dataset(
    images: Folder,
    labels: Folder,
    out: Folder,
    *,
    classes: Sequence[str] | None = None,
    label_values: Sequence[int] | None = None,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
    patient_pattern: str | None = None,
    key: Folder | None = None,
) -> Summary:
    """Make a data set to train on out of folders of scans and labels.

    Scans are DICOM series, NIfTI, NRRD or MHA/MHD; labels are the same or DICOM SEG. All are read and checked first,
    then the sound cases are written: ``imagesTr`` and ``labelsTr`` (NIfTI), ``report`` (a table as Markdown and CSV, a
    picture of each case), ``cases.json`` (what a later run needs), and last ``datalist.json``, the list of cases in the
    form of the Medical Segmentation Decathlon, split by patient. Voxels are not resampled and intensities not changed.

    Which label belongs to which scan is told by the first of these that applies:

    1. DICOM SEG: the series it refers to; if it refers to none, the only scan of its study.
    2. The same path below the two folders, suffixes aside; a DICOM series has the path of its folder.
    3. The same, but for case and the words image, img, volume, scan, label(s), seg, segmentation, mask and 0000.
    4. The same topmost folder, that of the patient, if it holds one scan and one label.

    Names and other text of the input are not carried over: cases and patients get numbers, and no DICOM tag or NIfTI
    text is written. What is burnt into the pixels, and a face that a scan of the head shows, stays.

    A run that was stopped is continued by the same call, and so is a data set when scans were added: cases keep their
    numbers and sections, and new ones follow. Existing cases are never overwritten.

    Args:
        images: the folder of the scans, searched with all folders in it.
        labels: the folder of the labels; it may be the same one when they are DICOM SEG.
        out: the folder of the data set: a new one, an empty one, or one from an earlier run.
        classes: names of the classes 1, 2, ... For DICOM SEG they choose segments by name, and where these overlap
            the later class has the voxel. Default: values and numbers of segments are kept, without names.
        label_values: what label files hold for the classes 1, 2, ... Default: 1, 2, ...
        fractions: shares of the patients for training, validation and test.
        seed: of the split.
        patient_pattern: a regular expression whose first group (or all of it) is the patient, in the path of a scan
            below ``images``. Default: the PatientID, where there is none the topmost folder, where there is none the
            file's name.
        key: a file to write that tells which case is which scan and which patient. It must be new and outside of
            ``out``, and belongs in no hands but the clinic's. Default: no such file is written.

    Returns:
        What was written, what was left out, and why.

    Raises:
        ImportError: When a package of the extra ``clinic`` is missing.
        FileNotFoundError: When a folder of the input does not exist.
        FileExistsError: When ``out`` holds something else, or ``key`` exists.
        ValueError: When an option is impossible, ``out`` lies inside the input, or it was made with other options.

    Example::

        print(prepare_dataset("scans", "labels", "prepared", classes=["liver", "tumour"]))
    """
    _check_installed()
    meaning = Classes(
        None if classes is None else tuple(classes), None if label_values is None else tuple(label_values)
    )
    if len(fractions) != len(SECTIONS):
        raise ValueError(f"fractions must be three, for {', '.join(SECTIONS)}, got {list(fractions)}.")
    try:
        re.compile(patient_pattern or "")
    except re.error as error:
        raise ValueError(f"The patient pattern {patient_pattern!r} is no regular expression: {error}.") from error
    image_folder, label_folder, folder = Path(images), Path(labels), Path(out)
    _check_places(image_folder, label_folder, folder, None if key is None else Path(key))
    settings = {"classes": classes, "label_values": label_values, "fractions": fractions, "seed": seed}
    # A pattern may hold names.
    settings["patient_pattern_sha256"] = patient_pattern and hashlib.sha256(patient_pattern.encode()).hexdigest()
    ledger = load_ledger(folder, settings)
    scans, found_labels, problems = _find(image_folder, label_folder)
    pairs, unpaired = pair_sources(scans, found_labels)
    inspections = [inspect_case(pair, meaning, patient_pattern) for pair in progress(pairs, "Checking")]
    compare_cases(inspections)
    problems += unpaired + [problem for case in inspections for problem in case.problems()]
    problems += ledger_problems(ledger, inspections)
    enlarged = enrol(ledger, inspections)
    problems += _empty_sections(enlarged, image_folder)
    hindrances = _hindrances(ledger, enlarged, inspections, folder)
    if hindrances or not enlarged.cases:
        return _summary(folder, 0, ledger, problems + hindrances)
    write_text(folder, LEDGER, ledger_text(enlarged))
    written, unwritten = write_cases(folder, enlarged.names(inspections), meaning)
    problems += unwritten.values()
    # The others keep their numbers for the next run.
    whole = Ledger(settings, {name: entry for name, entry in enlarged.cases.items() if name not in unwritten})
    if not whole.cases:
        return _summary(folder, written, whole, problems)
    write_text(folder, "report/report.md", markdown_report(whole))
    write_text(folder, "report/cases.csv", csv_report(whole))
    datalist = make_datalist(whole)
    defects = [Problem("error", folder, defect) for defect in datalist_defects(datalist, folder)]
    if not defects:
        write_text(folder, "datalist.json", json.dumps(datalist, indent=1) + "\n")
    shutil.rmtree(folder / SCRATCH)
    if key is not None:
        write_key(Path(key), whole, inspections)
    return _summary(folder, written, whole, problems + defects)


def _check_installed() -> None:
    # All at once and now: found out on the way, it would look like a defect of the file.
    missing = [name for name in PACKAGES if not optional_import(name)[1]]
    if missing:
        raise ImportError(f"Preparing a data set needs {', '.join(missing)}: pip install 'monai-cwmi[clinic]'.")


def _check_places(images: Path, labels: Path, out: Path, key: Path | None) -> None:
    for folder in (images, labels):
        if out.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"The data set {out} must not lie inside the input folder {folder}.")
    if key and key.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"The key {key} tells who the patients are and must not lie in the data set {out}.")
    if key and key.exists():
        raise FileExistsError(f"The key {key} exists; nothing is overwritten.")


def _find(images: Path, labels: Path) -> tuple[list[Source], list[Source], list[Problem]]:
    sources, problems = find_sources(images)
    scans = [source for source in sources if source.kind != "segmentation"]
    if labels.resolve() == images.resolve():
        found = [source for source in sources if source.kind == "segmentation"]
    else:
        found, others = find_sources(labels)
        problems += others
        scans, found = _without(scans, images, labels), _without(found, labels, images)
    problems += [
        Problem("error", folder, f"holds no {name}")
        for folder, name, sources in ((images, "scan", scans), (labels, "label", found))
        if not sources
    ]
    return scans, found, problems


def _without(sources: list[Source], folder: Path, other: Path) -> list[Source]:
    # One folder may lie in the other: data and data/labels.
    inner = other.resolve()
    if not inner.is_relative_to(folder.resolve()):
        return sources
    return [source for source in sources if not source.path.resolve().is_relative_to(inner)]


def _empty_sections(ledger: Ledger, images: Path) -> list[Problem]:
    filled = {entry.section for entry in ledger.cases.values()}
    wanted = [section for section, share in zip(SECTIONS, ledger.settings["fractions"], strict=True) if share > 0]
    empty = [section for section in wanted if section not in filled]
    number = len({entry.patient for entry in ledger.cases.values()})
    if not empty or not number:
        return []
    message = f"sound cases of {number} patients only: none for {' and '.join(empty)}"
    return [Problem("warning", images, message)]


def _hindrances(before: Ledger, after: Ledger, inspections: Sequence[Inspection], folder: Path) -> list[Problem]:
    """Name what makes the data set as a whole impossible, whatever its cases are like."""
    messages = []
    gone = sorted(before.cases.keys() - before.names(inspections).keys())
    if gone and (len(after.cases) > len(before.cases) or not all(is_written(folder, name) for name in gone)):
        messages.append(
            f"the scans of {', '.join(gone)} from an earlier run are not in the input, so nobody can tell whether "
            "a new scan is of the same patient: put them back, or prepare another folder"
        )
    torn = [name for name, cases in before.matches(inspections) if len({case.patient for case in cases}) > 1]
    if torn:
        messages.append(
            f"the scans of {', '.join(torn)} from an earlier run are under several patients now, so nobody can tell "
            "whether a new scan is of the same patient: take the copies out, or prepare another folder"
        )
    values = Counter(value for entry in after.cases.values() for value in entry.facts.voxels)
    is_told = after.settings["classes"] or after.settings["label_values"]
    if not is_told and sorted(values) != list(range(1, len(values) + 1)):
        listed = ", ".join(f"{value} in {number}" for value, number in sorted(values.items()))
        messages.append(f"label values are not 1, 2, ... (cases: {listed}): tell which are classes by label_values")
    return [Problem("error", folder, message) for message in messages]


def _summary(folder: Path, written: int, ledger: Ledger, problems: Sequence[Problem]) -> Summary:
    counts = Counter(entry.section for entry in ledger.cases.values())
    sections = {section: counts[section] for section in SECTIONS}
    return Summary(folder, written, sections, tuple(problems))
