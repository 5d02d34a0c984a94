from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from clinic.test_inspection import case
from monai_cwmi.clinic.inspection import Inspection
from monai_cwmi.clinic.ledger import (
    Ledger,
    class_names,
    enrol,
    ledger_problems,
    ledger_text,
    load_ledger,
    make_datalist,
)

SETTINGS: dict[str, Any] = {"classes": ["liver"], "label_values": None, "fractions": (0.5, 0.25, 0.25), "seed": 0}


def cohort(*names: str) -> list[Inspection]:
    """Two cases for each patient."""
    return [case(f"{name}{scan}", patient=name) for name in names for scan in (1, 2)]


def test_patients_stay_in_one_section_and_numbers_follow_checksums() -> None:
    cases = cohort("d", "b", "a", "c")
    ledger = enrol(Ledger(SETTINGS, {}), cases)
    assert list(ledger.cases) == [f"case_{number:04}" for number in range(1, 9)]
    sums = [entry.facts.image_sha256 for entry in ledger.cases.values()]
    assert sums == sorted(sums)
    sections = {(entry.patient, entry.section) for entry in ledger.cases.values()}
    assert sorted(section for _, section in sections) == ["test", "training", "training", "validation"]
    assert enrol(Ledger(SETTINGS, {}), cases[::-1]) == ledger


def test_new_cases_follow_and_known_ones_stay() -> None:
    first = enrol(Ledger(SETTINGS, {}), cohort("m", "n", "p"))
    again = enrol(first, cohort("m", "n", "p"))
    assert again == first
    more = enrol(first, [*cohort("a", "m", "n", "p"), case("m3", patient="m")])
    assert {name: more.cases[name] for name in first.cases} == first.cases
    new = [more.cases[f"case_{number:04}"] for number in (7, 8, 9)]
    assert [entry.facts.image_sha256 for entry in new] == ["a1", "a2", "m3"]
    assert [entry.patient for entry in new] == ["patient_0004", "patient_0004", first.cases["case_0001"].patient]
    assert new[2].section == first.cases["case_0001"].section


def test_cases_with_errors_are_left_out() -> None:
    bad = case("b")
    bad.errors.append("broken")
    assert len(enrol(Ledger(SETTINGS, {}), [case("a"), bad, Inspection(bad.pair)]).cases) == 1


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger = enrol(load_ledger(tmp_path / "new", SETTINGS), cohort("a", "b"))
    (tmp_path / "cases.json").write_text(ledger_text(ledger))
    assert load_ledger(tmp_path, SETTINGS) == ledger
    with pytest.raises(ValueError, match="was prepared with seed 0; prepare it with the same"):
        load_ledger(tmp_path, SETTINGS | {"seed": 1})


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "partial").mkdir()
    assert load_ledger(tmp_path, SETTINGS).cases == {}
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(FileExistsError, match="holds other files"):
        load_ledger(tmp_path, SETTINGS)


@pytest.mark.parametrize(
    "content",
    ["", "\xff", "[]", "{}", '{"cases": []}', '{"settings": {}, "cases": []}', '{"settings": {}, "cases": {"a": {}}}'],
)
def test_a_ledger_that_makes_no_sense_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "cases.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(FileExistsError, match=r"cases\.json is damaged, or of another program"):
        load_ledger(tmp_path, {})


@pytest.mark.parametrize("order", [1, -1])
def test_a_copy_does_not_take_the_place_of_a_case(order: int) -> None:
    cases = cohort("a", "b", "c")
    ledger = enrol(Ledger(SETTINGS, {}), cases)
    copy = case("copy", patient="a", image="a1", label="a1")
    copy.errors.append("duplicate")
    both = [*cases, copy][::order]
    assert ledger.names(both)["case_0001"] is cases[0]
    assert dict(ledger.matches(both))["case_0001"] == [cases[0], copy][::order]
    assert enrol(ledger, both) == ledger
    assert ledger_problems(ledger, both) == []


def test_what_contradicts_an_earlier_run_is_named() -> None:
    cases = cohort("a", "b", "c", "d")
    ledger = enrol(Ledger(SETTINGS, {}), cases)
    assert ledger_problems(ledger, cases) == []
    relabelled, broken = cases[0], cases[1]
    assert relabelled.facts is not None
    relabelled.facts = dataclasses.replace(relabelled.facts, label_sha256="other")
    broken.errors.append("broken")
    messages = [problem.message for problem in ledger_problems(ledger, cases)]
    assert messages == [
        "the label is not the one that case_0001 got in an earlier run: prepare another folder",
        "is case_0002 since an earlier run: take it out there",
    ]


def test_a_patient_in_two_sections_is_named() -> None:
    ledger = enrol(Ledger(SETTINGS, {}), cohort("a", "b", "c"))
    cases = cohort("a", "b", "c")
    for each in cases:
        each.patient = "all the same"
    problems = ledger_problems(ledger, cases)
    assert len(problems) == 6
    assert {problem.message for problem in problems} == {
        "its patient is in training, validation and test since an earlier run: prepare another folder"
    }


def test_the_datalist_names_labels_modality_and_patients() -> None:
    ledger = enrol(Ledger(SETTINGS, {}), cohort("a"))
    assert make_datalist(ledger) == {
        "labels": {"0": "background", "1": "liver"},
        "modality": {"0": "CT"},
        "training": [
            {"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz", "patient": "patient_0001"}
            for name in ("case_0001", "case_0002")
        ],
        "validation": [],
        "test": [],
    }


def test_classes_without_names_are_numbered() -> None:
    ledger = enrol(Ledger(SETTINGS | {"classes": None}, {}), cohort("a"))
    assert class_names(ledger) == ["background", "class 1"]
    assert class_names(Ledger(ledger.settings | {"label_values": (5, 9)}, ledger.cases))[1:] == ["class 1", "class 2"]
