from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK

from clinic.builders import noise, turned, write_volume
from monai_cwmi.clinic.checks import check_datalist, grid_differences, orientation_code, series_defects, value_defects
from monai_cwmi.clinic.sources import Slice

OBLIQUE = np.asarray(turned(10, 20, 30))


def slices(*depths: float, shear: float = 0.0, decimals: int = 5) -> list[Slice]:
    """Oblique slices at these depths along their normal."""
    normal = np.cross(*OBLIQUE) + shear * OBLIQUE[1]
    return [
        Slice(
            path=Path(f"{index}.dcm"),
            instance_uid=str(index),
            size=(8, 9),
            frames=1,
            spacing=(1.0, 1.0),
            position=tuple((depth * normal).round(decimals).tolist()),
            orientation=tuple(OBLIQUE.ravel().round(6).tolist()),
        )
        for index, depth in enumerate(depths)
    ]


def changed(index: int, **values: Any) -> list[Slice]:
    found = slices(0, 2, 4, 6)
    found[index] = Slice(**vars(found[index]) | values)
    return found


@pytest.mark.parametrize("depths", [(5,), (0, 2), (6, 0, 4, 2), (-1.25, -2.5, -3.75), (0, 0.3, 0.61, 0.9)])
def test_regular_series_have_no_defects(depths: tuple[float, ...]) -> None:
    assert series_defects(slices(*depths, decimals=2)) == []


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (slices(0, 2, 6, 8), "1 slices are missing: gaps of 4 mm among slices 2 mm apart"),
        (slices(8, 0, 2, 6, 16, 18), "4 slices are missing: gaps of 4, 8 mm among slices 2 mm apart"),
        (slices(0, 1, 3), "1 slices are missing: gaps of 2 mm among slices 1 mm apart"),
        (slices(0, 2, 4, 7), "slices are missing or unevenly spaced: gaps from 2 to 3 mm"),
        (slices(0, 2, 2, 4), "1 slices lie where another one does"),
        (slices(0, 2, 4, shear=0.2), "slices are sheared by 11.3 degrees (gantry tilt)"),
        (changed(1, size=(4, 9)), "mixed: slices of the sizes 9x4, 9x8"),
        (changed(1, spacing=(1.0, 2.0)), "mixed: slices of 2 different pixel spacings"),
        (changed(2, orientation=(1, 0, 0, 0, 1, 0)), "mixed: slices of 2 different orientations"),
        (changed(3, instance_uid="0"), "1 slices are there more than once (SOPInstanceUID): 0.dcm and 3.dcm"),
        (changed(3, position=()), "position or orientation is missing in 1 of 4 slices, first in 3.dcm"),
        (changed(0, frames=7), "holds several frames in one file"),
    ],
)
def test_defects_of_a_series_are_named(found: list[Slice], message: str) -> None:
    (defect,) = series_defects(found)
    assert defect.startswith(message)


def test_all_that_is_mixed_is_named() -> None:
    first, *others = changed(1, size=(4, 9), spacing=(2.0, 2.0))
    assert len(series_defects([first, *others])) == 2


@pytest.mark.parametrize("angles", [(0, 0, 0), (180, 0, 0), (0, 90, 0), (20, 100, -70), (90, 0, 90)])
def test_orientation_codes_are_those_of_nibabel(tmp_path: Path, angles: tuple[float, ...]) -> None:
    cosines = np.asarray(turned(*angles))
    direction = np.column_stack([*cosines, np.cross(*cosines)])
    path = write_volume(tmp_path / "a.nii", noise(3, 4, 5), direction=direction.ravel().tolist())
    code = orientation_code(SimpleITK.ReadImage(str(path)))
    assert code == "".join(nibabel.aff2axcodes(nibabel.Nifti1Image.from_filename(path).affine))


def image(size: tuple[int, ...] = (500, 4, 3), **grid: Any) -> SimpleITK.Image:
    made = SimpleITK.Image(size, SimpleITK.sitkUInt8)
    for name, value in {"Spacing": (0.7, 0.7, 2.0), "Origin": (1.0, 2.0, 3.0), **grid}.items():
        getattr(made, f"Set{name}")(value)
    return made


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (image((500, 4, 2)), "size 500 4 2, the image has 500 4 3"),
        (image(Spacing=(0.701, 0.7, 2.0)), "spacing 0.701 0.7 2, the image has 0.7 0.7 2"),
        (image(Origin=(1.0, 2.0, 3.5)), "origin 1 2 3.5, the image has 1 2 3"),
        (
            image(Direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1)),
            "direction -1 0 0 0 -1 0 0 0 1, the image has 1 0 0 0 1 0 0 0 1",
        ),
    ],
)
def test_differences_of_grids_are_named(label: SimpleITK.Image, message: str) -> None:
    assert grid_differences(label, image()) == [message]


def test_rounded_headers_are_no_difference() -> None:
    assert grid_differences(image(Spacing=(0.70003, 0.7, 2.0), Origin=(1.01, 2.0, 3.0)), image()) == []


@pytest.mark.parametrize(
    ("values", "allowed", "messages"),
    [
        ([0, 1, 2], None, []),
        ([0, 1, 2], (0, 1, 2), []),
        ([0.0, 0.99999, 2.0], (0, 1, 2), []),
        ([0, 3], (0, 1, 2), ["unexpected values 3; expected: 0 1 2"]),
        ([-1, 0], None, ["unexpected values -1; expected: whole numbers from 0 to 65535"]),
        ([0, 70000], None, ["unexpected values 70000; expected: whole numbers from 0 to 65535"]),
        ([0, 0.5, 1], None, ["fractional values (0.5): a probability map, or resampled with interpolation"]),
        ([np.nan, 0, 9], (0, 1), ["values that are not finite", "unexpected values 9; expected: 0 1"]),
    ],
)
def test_values_without_a_meaning_are_named(
    values: list[float], allowed: tuple[int, ...] | None, messages: list[str]
) -> None:
    assert value_defects(np.asarray(values), allowed) == messages


def test_a_list_of_cases_is_checked(tmp_path: Path) -> None:
    def case(name: str, patient: str | None) -> dict[str, str]:
        (tmp_path / name).touch()
        return {"image": name, "label": name} | ({"patient": patient} if patient else {})

    datalist: dict[str, Any] = {
        "training": [case("a", "p1"), case("b", "p2"), case("b", "p2")],
        "validation": [case("c", "p3")],
        "test": [case("d", "p1"), case("c", "p3"), {"image": "e", "label": "d", "patient": "p4"}, case("f", None)],
    }
    path = tmp_path / "datalist.json"
    path.write_text(json.dumps(datalist))
    assert check_datalist(path) == [
        "e does not exist",
        "f has no patient: nobody can tell whether it is in two sections",
        "patient p1 is in training and test",
        "patient p3 is in validation and test",
        "image b is listed 2 times",
        "image c is in validation and test",
    ]
    path.write_text(json.dumps({"training": [case("a", "p1")], "test": [case("b", "p2")]}))
    assert check_datalist(path) == []
