from __future__ import annotations

from pathlib import Path

from monai_cwmi.clinic.problems import DefectError, Problem, one_line


def test_a_problem_is_one_line() -> None:
    assert str(Problem("warning", Path("in/a.nii"), "the label is empty")) == "warning: in/a.nii: the label is empty"


def test_a_name_that_is_not_utf8_can_be_printed() -> None:
    line = str(Problem("error", Path("in/M\udcfcller"), "rename it"))
    assert line.encode() == rb"error: in/M\udcfcller: rename it"


def test_an_error_is_one_line() -> None:
    assert one_line(ValueError("too\n  long\n")) == "too long"
    assert one_line(EOFError()) == "EOFError"


def test_a_defect_keeps_its_reasons_apart() -> None:
    defect = DefectError("too long", "too short")
    assert defect.messages == ["too long", "too short"]
    assert str(defect) == "too long; too short"
