from __future__ import annotations

from pathlib import Path

from monai_cwmi.clinic.problems import DefectError, Problem


def test_a_problem_is_one_line() -> None:
    assert str(Problem("warning", Path("in/a.nii"), "the label is empty")) == "warning: in/a.nii: the label is empty"


def test_a_defect_keeps_its_reasons_apart() -> None:
    defect = DefectError("too long", "too short")
    assert defect.messages == ["too long", "too short"]
    assert str(defect) == "too long; too short"
