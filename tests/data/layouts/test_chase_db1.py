from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from downloads import make_chase_db1, save
from monai_cwmi.data import count_channels, load_class_names, load_datalist, prepare_download
from monai_cwmi.data.layouts.download import advise, order_sections

SECTIONS = ("training", "validation", "test")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_chase_db1(tmp_path / "downloads" / "CHASEDB1")


@pytest.mark.parametrize(
    ("count", "sizes"), [(3, (1, 1, 1)), (4, (2, 1, 1)), (6, (3, 1, 2)), (14, (7, 2, 5)), (30, (16, 4, 10))]
)
def test_sections_follow_the_order_of_names(count: int, sizes: tuple[int, int, int]) -> None:
    expected = [section for section, size in zip(SECTIONS, sizes, strict=True) for _ in range(size)]
    names = [f"{number:02d}" for number in range(count)]
    assert order_sections(names) == expected
    assert order_sections(names[::-1]) == expected[::-1]
    assert order_sections([name for name in names for _ in "LR"]) == [section for section in expected for _ in "LR"]


def test_fewer_than_three_patients_make_no_sections() -> None:
    with pytest.raises(ValueError, match=r"Three sections cannot be made of 2 only: a, b\. Unpack the whole download"):
        order_sections(["b", "a", "b"])


def test_an_error_says_what_can_be_done() -> None:
    with (
        pytest.raises(ValueError, match=r"broken\. Download it again, .*: remove a\.jpg and a\.png\."),
        advise(Path("a.jpg"), Path("a.png")),
    ):
        raise ValueError("It is broken.")


def test_both_eyes_of_a_child_are_in_one_section(source: Path, tmp_path: Path) -> None:
    content = json.loads((prepare_download("chase_db1", source, tmp_path / "cache") / "dataset.json").read_text())
    first = 1
    for section, children in zip(SECTIONS, (7, 2, 5), strict=True):
        expected = [f"{number:02d}" for number in range(first, first + children) for _ in "LR"]
        assert [case["patient"] for case in content[section]] == [f"child_{number}" for number in expected]
        assert [Path(case["image"]).stem[:8] for case in content[section]] == [f"Image_{number}" for number in expected]
        first += children


def test_labels_are_the_first_observers(source: Path, tmp_path: Path) -> None:
    save(source / "Image_01L_1stHO.png", np.eye(24, 20, dtype=np.uint8) * np.uint8(255))  # grey, not of one bit
    save(source / "Image_01R_1stHO.png", np.zeros((24, 20), bool))
    folder = prepare_download("chase_db1", source, tmp_path / "cache")
    assert load_class_names(folder) == ["background", "vessel"]
    assert count_channels(folder) == 3
    cases = [case for section in SECTIONS for case in load_datalist(folder, section, labelled=True)]
    assert len(cases) == 28
    for case in cases:
        stem = Path(case["image"]).stem
        image, label = (np.asarray(Image.open(case[key])) for key in ("image", "label"))
        np.testing.assert_array_equal(image, np.asarray(Image.open(source / f"{stem}.jpg")))
        np.testing.assert_array_equal(label, np.asarray(Image.open(source / f"{stem}_1stHO.png")) > 0)
        assert label.dtype == np.uint8


def test_the_folder_above_will_do_and_files_of_a_mac_are_passed_over(source: Path, tmp_path: Path) -> None:
    expected = prepare_download("chase_db1", source, tmp_path / "cache")
    for path in list(source.iterdir()):
        path.with_name(f"._{path.name}").write_bytes(b"no image")
    assert prepare_download("chase_db1", source.parent, tmp_path / "cache") == expected


def test_an_empty_folder_says_where_to_obtain_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no Image_\*_1stHO\.png in .* chase_db1 is obtained at https://"):
        prepare_download("chase_db1", tmp_path, tmp_path / "cache")


def test_a_missing_label_is_named(source: Path, tmp_path: Path) -> None:
    (source / "Image_03R_1stHO.png").unlink()
    problem = r"image \S*Image_03R\.jpg has no label: there is no \S*Image_03R_1stHO\.png.*obtained at https://"
    with pytest.raises(FileNotFoundError, match=problem):
        prepare_download("chase_db1", source, tmp_path / "cache")


def test_a_missing_image_is_named(source: Path, tmp_path: Path) -> None:
    (source / "Image_03R.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"label \S*Image_03R_1stHO\.png has no image.*obtained at https://"):
        prepare_download("chase_db1", source, tmp_path / "cache")


def test_a_name_of_no_child_is_named(source: Path, tmp_path: Path) -> None:
    for end in (".jpg", "_1stHO.png"):
        (source / f"Image_03R{end}").rename(source / f"Image_old{end}")
    with pytest.raises(ValueError, match=r"name of \S*Image_old\.jpg says no child .* Move it elsewhere"):
        prepare_download("chase_db1", source, tmp_path / "cache")


def test_another_size_is_named(source: Path, tmp_path: Path) -> None:
    save(source / "Image_03R_1stHO.png", np.zeros((20, 24), bool))
    with pytest.raises(ValueError, match=r"Image_03R_1stHO\.png has 20 x 24 pixels .*Image_03R\.jpg has 24 x 20"):
        prepare_download("chase_db1", source, tmp_path / "cache")


@pytest.mark.parametrize("name", ["Image_12L.jpg", "Image_12L_1stHO.png"])
def test_a_broken_file_is_named(source: Path, tmp_path: Path, name: str) -> None:
    (source / name).write_bytes((source / name).read_bytes()[:60])
    problem = rf"{source / name} cannot be read as an image.* Download it again, .*Image_12L\.jpg and .*_1stHO\.png"
    with pytest.raises(ValueError, match=problem):
        prepare_download("chase_db1", source, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
