from __future__ import annotations

import pytest

from monai_cwmi.comparison.folds import split_sections

CASES = [{"image": f"{patient}_{index}.png", "patient": patient} for patient in "abcdefghij" for index in (0, 1)]
SECTIONS = {"training": CASES[:12], "validation": CASES[12:16], "test": CASES[16:]}


def patients(cases: list[dict[str, str]]) -> set[str]:
    return {case["patient"] for case in cases}


def test_one_fold_is_the_data_sets_own() -> None:
    assert split_sections(SECTIONS, 1) == [SECTIONS]


@pytest.mark.parametrize("folds", [2, 3, 10])
def test_each_image_is_tested_once(folds: int) -> None:
    split = split_sections(SECTIONS, folds)
    assert len(split) == folds
    tested = [case["image"] for fold in split for case in fold["test"]]
    assert sorted(tested) == sorted(case["image"] for case in CASES)


@pytest.mark.parametrize("folds", [2, 3, 10])
def test_no_patient_is_in_two_sections(folds: int) -> None:
    for fold in split_sections(SECTIONS, folds):
        parts = [patients(fold[name]) for name in ("training", "validation", "test")]
        assert all(parts)
        assert set.union(*parts) == set("abcdefghij")
        assert sum(map(len, parts)) == 10


def test_a_fifth_of_the_rest_is_the_validation_section() -> None:
    fold = split_sections({"training": [{"image": f"{index}.png"} for index in range(15)]}, 3)[0]
    assert [len(fold[name]) for name in ("training", "validation", "test")] == [8, 2, 5]


def test_an_image_that_is_listed_twice_counts_once() -> None:
    split = split_sections({"training": CASES, "validation": CASES[:4], "test": CASES[:4]}, 2)
    assert sum(len(fold["test"]) for fold in split) == len(CASES)


def test_the_split_is_always_the_same() -> None:
    assert split_sections(SECTIONS, 3) == split_sections(SECTIONS, 3)


@pytest.mark.parametrize(("folds", "message"), [(0, "at least 1, got 0"), (11, "at least 11 patients.*there are 10")])
def test_folds_that_cannot_be(folds: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_sections(SECTIONS, folds)


def test_a_section_without_images() -> None:
    with pytest.raises(ValueError, match=r"training and test section has no images.*--set dataset_dir="):
        split_sections({"training": [], "validation": CASES, "test": []}, 1)


def test_two_folds_of_two_patients_have_no_validation_section() -> None:
    with pytest.raises(ValueError, match="need at least 3 patients"):
        split_sections({"training": CASES[:4]}, 2)
