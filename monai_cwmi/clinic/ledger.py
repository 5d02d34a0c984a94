"""What a prepared data set holds: pseudonyms, sections and facts of its cases, kept from one run to the next."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monai_cwmi.clinic.checks import SECTIONS
from monai_cwmi.clinic.inspection import Facts, Inspection
from monai_cwmi.clinic.problems import Problem
from monai_cwmi.data.splits import split_by_group

LEDGER = "cases.json"
SCRATCH = "partial"  # files on their way


@dataclass(frozen=True)
class Entry:
    """One case of the data set, under pseudonyms."""

    patient: str
    section: str
    facts: Facts


@dataclass(frozen=True)
class Ledger:
    """The cases of a data set by name, and the settings that they were prepared with.

    A case is known again by the checksum of its scan, so that no name and no path has to be kept, and input may be
    moved. Names are numbered in the order of the checksums, which tells nothing about the order of patients.
    """

    settings: dict[str, Any]
    cases: dict[str, Entry]

    def names(self, inspections: Sequence[Inspection]) -> dict[str, Inspection]:
        """Return those of the inspected cases that are in the data set, by their names there.

        Of several for one name, one without errors is taken before its copies.
        """
        return {name: min(cases, key=lambda case: bool(case.errors)) for name, cases in self.matches(inspections)}

    def matches(self, inspections: Sequence[Inspection]) -> list[tuple[str, list[Inspection]]]:
        """Return each name in the data set with all of the inspected cases that are the same scan, if there are any."""
        found: dict[str, list[Inspection]] = defaultdict(list)
        for case in inspections:
            found[case.image_sha256].append(case)
        sums = {name: entry.facts.image_sha256 for name, entry in self.cases.items()}
        return [(name, found[checksum]) for name, checksum in sums.items() if checksum in found]


def load_ledger(folder: Path, settings: dict[str, Any]) -> Ledger:
    """Read the ledger of a data set, or begin one where the folder is empty.

    Raises:
        FileExistsError: When the folder holds something else, or a ledger that makes no sense.
        ValueError: When the data set was prepared with other settings.
    """
    path = folder / LEDGER
    if not path.exists():
        # A run that was killed early has left the scratch folder alone.
        if folder.exists() and any(each.name != SCRATCH for each in folder.iterdir()):
            raise FileExistsError(f"The folder {folder} holds other files; give one that is empty or does not exist.")
        return Ledger(settings, {})
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kept = dict(content["settings"])
        cases = {name: _entry(**entry) for name, entry in content["cases"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileExistsError(f"{path} is damaged, or of another program; give another folder.") from error
    # Through JSON and back, as the kept ones were: a tuple becomes a list.
    changed = [key for key, value in json.loads(json.dumps(settings)).items() if kept.get(key) != value]
    if changed:
        listed = ", ".join(f"{key} {kept.get(key)}" for key in changed)
        raise ValueError(f"{folder} was prepared with {listed}; prepare it with the same, or another folder.")
    return Ledger(settings, cases)


def _entry(patient: str, section: str, facts: dict[str, Any]) -> Entry:
    voxels = {int(value): number for value, number in facts.pop("voxels").items()}
    lists = {key: tuple(value) for key, value in facts.items() if isinstance(value, list)}
    return Entry(patient, section, Facts(**facts | lists, voxels=voxels))


def ledger_text(ledger: Ledger) -> str:
    """Return the ledger as JSON."""
    content = {"settings": ledger.settings, "cases": {name: asdict(entry) for name, entry in ledger.cases.items()}}
    return json.dumps(content, indent=1) + "\n"


def enrol(ledger: Ledger, inspections: Sequence[Inspection]) -> Ledger:
    """Add the sound cases that are new: they get the next numbers, and new patients a section.

    Cases and patients that are in the data set stay as they are.
    """
    names = ledger.names(inspections)
    patients = {case.patient: ledger.cases[name] for name, case in names.items()}
    known = {entry.facts.image_sha256 for entry in ledger.cases.values()}
    new = [case for case in inspections if case.facts and not case.errors and case.image_sha256 not in known]
    new.sort(key=lambda case: case.image_sha256)
    strangers = list(dict.fromkeys(case.patient for case in new if case.patient not in patients))
    number = len({entry.patient for entry in ledger.cases.values()})
    pseudonyms = {patient: f"patient_{number + i:04}" for i, patient in enumerate(strangers, 1)}
    parts = split_by_group(list(pseudonyms.values()), ledger.settings["fractions"], ledger.settings["seed"])
    sections = {strangers[index]: section for section, part in zip(SECTIONS, parts, strict=True) for index in part}
    cases = dict(ledger.cases)
    for case in new:
        assert case.facts is not None
        if case.patient in patients:
            patient, section = patients[case.patient].patient, patients[case.patient].section
        else:
            patient, section = pseudonyms[case.patient], sections[case.patient]
        cases[f"case_{len(cases) + 1:04}"] = Entry(patient, section, case.facts)
    return Ledger(ledger.settings, cases)


def ledger_problems(ledger: Ledger, inspections: Sequence[Inspection]) -> list[Problem]:
    """Name what of the input contradicts what the data set holds from earlier runs, where nothing is overwritten."""
    problems = []
    names = ledger.names(inspections)
    homes: dict[str, set[str]] = defaultdict(set)
    for name, case in names.items():
        homes[case.patient].add(ledger.cases[name].section)
    for name, case in names.items():
        if case.facts and case.facts.label_sha256 != ledger.cases[name].facts.label_sha256:
            message = f"the label is not the one that {name} got in an earlier run: prepare another folder"
            problems.append(Problem("error", case.pair.label.path, message))
        elif case.errors:
            problems.append(
                Problem("error", case.pair.image.path, f"is {name} since an earlier run: take it out there")
            )
        *others, last = (section for section in SECTIONS if section in homes[case.patient])
        if others:
            message = f"its patient is in {', '.join(others)} and {last} since an earlier run: prepare another folder"
            problems.append(Problem("error", case.pair.image.path, message))
    return problems


def make_datalist(ledger: Ledger) -> dict[str, Any]:
    """Return the list of cases in the form of the Medical Segmentation Decathlon, with a ``"patient"`` for each."""
    modalities = {entry.facts.modality for entry in ledger.cases.values()}
    datalist: dict[str, Any] = {
        "labels": {str(value): name for value, name in enumerate(class_names(ledger))},
        "modality": {"0": modalities.pop() if len(modalities) == 1 else "unknown"},
    }
    for section in SECTIONS:
        datalist[section] = [
            {"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz", "patient": entry.patient}
            for name, entry in ledger.cases.items()
            if entry.section == section
        ]
    return datalist


def class_names(ledger: Ledger) -> list[str]:
    """Return the names of the values of labels, the background's first."""
    names = ledger.settings["classes"]
    if names is None:
        count = len(ledger.settings["label_values"] or ())
        highest = max((value for entry in ledger.cases.values() for value in entry.facts.voxels), default=0)
        names = [f"class {value}" for value in range(1, max(count, highest) + 1)]
    return ["background", *names]
