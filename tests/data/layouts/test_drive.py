from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from downloads import make_drive, save
from monai_cwmi.data import load_class_names, load_datalist, prepare_download

SECTIONS = ("training", "validation", "test")


def stems(folder: Path, section: str) -> list[str]:
    return [Path(case["image"]).stem for case in load_datalist(folder, section)]


def test_the_official_test_images_test(tmp_path: Path) -> None:
    folder = prepare_download("drive", make_drive(tmp_path / "DRIVE"), tmp_path / "cache")
    assert stems(folder, "test") == [f"{number:02d}_test" for number in range(1, 21)]
    training, validation = (stems(folder, section) for section in SECTIONS[:2])
    assert (len(training), len(validation)) == (16, 4)
    assert sorted(training + validation) == [f"{number}_training" for number in range(21, 41)]
    again = prepare_download("drive", make_drive(tmp_path / "again" / "DRIVE"), tmp_path / "cache")
    assert again != folder
    assert stems(again, "validation") == validation


def test_labels_are_the_first_observers_whatever_their_palette(tmp_path: Path) -> None:
    source = make_drive(tmp_path / "DRIVE", count=5)
    # The second observer sees nothing.
    save(source / "test" / "2nd_manual" / "01_manual2.gif", np.zeros((24, 20), np.uint8))
    # The same mask as grey values, as a picture of one bit, and with the usual palette.
    mask = np.random.default_rng(1).integers(0, 2, (24, 20), dtype=np.uint8)
    for number, array in {1: mask * np.uint8(255), 2: mask.astype(bool)}.items():
        save(source / "test" / "1st_manual" / f"0{number}_manual1.gif", array)
    save(source / "test" / "1st_manual" / "03_manual1.gif", mask, [0] * 3 + [255] * 3)
    save(source / "test" / "1st_manual" / "04_manual1.gif", mask, [255] * 3 + [0] * 3)
    save(source / "test" / "1st_manual" / "05_manual1.gif", np.zeros_like(mask))
    cases = load_datalist(prepare_download("drive", source, tmp_path / "cache"), "test")
    for case, expected in zip(cases, [mask, mask, mask, 1 - mask, 0 * mask], strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(case["label"])), expected)
        original = source / "test" / "images" / f"{Path(case['image']).stem}.tif"
        np.testing.assert_array_equal(np.asarray(Image.open(case["image"])), np.asarray(Image.open(original)))


def test_without_labels_to_test_with_the_training_images_make_all_sections(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_drive(tmp_path / "DRIVE", test_labels=False)
    folder = prepare_download("drive", source, tmp_path / "cache")
    sections = [stems(folder, section) for section in SECTIONS]
    assert list(map(len, sections)) == [12, 4, 4]
    assert sorted(itertools.chain(*sections)) == [f"{number}_training" for number in range(21, 41)]
    assert "the test images have no labels" in capsys.readouterr().out
    assert "the test images have no labels" in json.loads((folder / "dataset.json").read_text())["section_origin"]
    shutil.rmtree(source / "test")
    assert prepare_download("drive", source, tmp_path / "cache") == folder


@pytest.mark.parametrize("part", ["training", "test"])
def test_a_missing_label_is_named(tmp_path: Path, part: str) -> None:
    source = make_drive(tmp_path / "DRIVE", count=5)
    label = sorted((source / part / "1st_manual").iterdir())[2]
    label.unlink()
    image = source / part / "images" / f"{label.name[:2]}_{part}.tif"
    with pytest.raises(FileNotFoundError, match=f"The image {image} has no label: there is no {label}"):
        prepare_download("drive", source, tmp_path / "cache")


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    source = make_drive(tmp_path / "DRIVE", count=5)
    (source / "test" / "images" / "03_test.tif").unlink()
    with pytest.raises(FileNotFoundError, match=r"The label \S*03_manual1\.gif has no image.*drive\.grand-challenge"):
        prepare_download("drive", source, tmp_path / "cache")


def test_another_size_is_named(tmp_path: Path) -> None:
    source = make_drive(tmp_path / "DRIVE", count=5)
    save(source / "test" / "1st_manual" / "03_manual1.gif", np.zeros((20, 24), np.uint8))
    problem = r"The label \S*03_manual1\.gif has 20 x 24 pixels and its image \S*03_test\.tif has 24 x 20"
    with pytest.raises(ValueError, match=problem):
        prepare_download("drive", source, tmp_path / "cache")


def write_fields(source: Path) -> dict[str, np.ndarray]:
    """A round field of view for each image; whichever number is white. By the names of the images."""
    rows, columns = np.indices((24, 20))
    fields = {}
    for number, path in enumerate(sorted(source.glob("*/mask/*.gif"))):
        field = (rows - 12) ** 2 + (columns - number) ** 2 < 100
        save(path, field.astype(np.uint8), [0] * 3 + [255] * 3)
        fields[path.stem.removesuffix("_mask")] = field
    return fields


@pytest.mark.parametrize("test_labels", [True, False])
def test_what_lies_outside_the_field_of_view_is_not_labelled(tmp_path: Path, test_labels: bool) -> None:
    source = make_drive(tmp_path / "DRIVE", count=5, test_labels=test_labels)
    whole = prepare_download("drive", source, tmp_path / "cache")
    fields = write_fields(source)
    folder = prepare_download("drive", source, tmp_path / "cache")
    assert folder != whole
    for section in SECTIONS:
        cases, wholes = (load_datalist(each, section, labelled=True) for each in (folder, whole))
        assert stems(folder, section) == stems(whole, section)
        for case, other in zip(cases, wholes, strict=True):
            label, every = (np.asarray(Image.open(each["label"])) for each in (case, other))
            field = fields[Path(case["image"]).stem]
            np.testing.assert_array_equal(label, np.where(field, every, 2))
    assert json.loads((folder / "dataset.json").read_text())["ignore_index"] == 2
    assert load_class_names(folder) == ["background", "vessel"]
    for part in ("training", "test"):
        shutil.rmtree(source / part / "mask")
    bare = prepare_download("drive", source, tmp_path / "cache")
    assert "ignore_index" not in json.loads((bare / "dataset.json").read_text())


def test_a_missing_field_of_view_is_named(tmp_path: Path) -> None:
    source = make_drive(tmp_path / "DRIVE", count=5)
    field = source / "test" / "mask" / "03_test_mask.gif"
    field.rename(field.with_suffix(".png"))
    with pytest.raises(FileNotFoundError, match=rf"03_test\.tif has no field of view: there is no {field}.*remove"):
        prepare_download("drive", source, tmp_path / "cache")
    shutil.rmtree(field.parent)
    with pytest.raises(FileNotFoundError, match=rf"training has fields of view, but there is no {field.parent}\."):
        prepare_download("drive", source, tmp_path / "cache")


@pytest.mark.parametrize(
    ("field", "problem"),
    [(np.ones((20, 24), np.uint8), "03_test_mask.gif has 20 x 24 pixels"), (np.zeros((24, 20), np.uint8), "is black")],
)
def test_a_field_of_view_that_does_not_fit_is_named(tmp_path: Path, field: np.ndarray, problem: str) -> None:
    source = make_drive(tmp_path / "DRIVE", count=5)
    save(source / "test" / "mask" / "03_test_mask.gif", field, [0] * 3 + [255] * 3)
    with pytest.raises(ValueError, match=problem):
        prepare_download("drive", source, tmp_path / "cache")
    assert not any((tmp_path / "cache").iterdir())
