from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from downloads import make_glas, save
from monai_cwmi.data import load_datalist, prepare_download


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_glas(tmp_path / "Warwick QU Dataset (Released 2016_07_08)")


def stems(folder: Path, section: str) -> set[str]:
    return {Path(case["image"]).stem for case in load_datalist(folder, section)}


def test_both_official_test_parts_test(source: Path, tmp_path: Path) -> None:
    folder = prepare_download("glas", source, tmp_path / "cache")
    assert stems(folder, "test") == {f"testA_{n}" for n in range(1, 7)} | {"testB_1", "testB_2"}
    training, validation = (stems(folder, section) for section in ("training", "validation"))
    assert (len(training), len(validation)) == (8, 2)
    assert training | validation == {f"train_{n}" for n in range(1, 11)}


def test_foreground_is_what_is_no_gland(source: Path, tmp_path: Path) -> None:
    numbers = np.repeat(np.arange(6, dtype=np.uint8), 80).reshape(24, 20)
    save(source / "testA_1_anno.bmp", numbers)
    save(source / "testA_2_anno.bmp", numbers, list(range(90, 90 + 18)))  # gland 0 is not black here
    save(source / "testA_3_anno.bmp", np.stack([numbers, numbers // 2, numbers // 3], -1))
    save(source / "testA_4_anno.bmp", np.zeros_like(numbers))
    save(source / "testA_5_anno.bmp", np.ones_like(numbers))
    folder = prepare_download("glas", source, tmp_path / "cache")
    expected = np.zeros((24, 20), np.uint8)
    expected[:4] = 1  # the first 80 pixels
    labels = [np.asarray(Image.open(folder / "labelsTs" / f"testA_{number}.png")) for number in range(1, 6)]
    for label in labels[:3]:
        np.testing.assert_array_equal(label, expected)
    assert labels[3].all()
    assert not labels[4].any()


def test_images_are_unchanged(source: Path, tmp_path: Path) -> None:
    for case in load_datalist(prepare_download("glas", source, tmp_path / "cache"), "training"):
        original = source / f"{Path(case['image']).stem}.bmp"
        np.testing.assert_array_equal(np.asarray(Image.open(case["image"])), np.asarray(Image.open(original)))


def test_a_missing_label_is_named(source: Path, tmp_path: Path) -> None:
    (source / "testB_2_anno.bmp").unlink()
    with pytest.raises(FileNotFoundError, match=r"image .*testB_2\.bmp has no label: there is no .*testB_2_anno\.bmp"):
        prepare_download("glas", source, tmp_path / "cache")


def test_a_missing_image_is_named(source: Path, tmp_path: Path) -> None:
    (source / "train_7.bmp").unlink()
    with pytest.raises(FileNotFoundError, match=r"label .*train_7_anno\.bmp has no image.*glas is obtained at https"):
        prepare_download("glas", source, tmp_path / "cache")


def test_a_name_of_no_part_is_named(source: Path, tmp_path: Path) -> None:
    (source / "train_7.bmp").rename(source / "holiday.bmp")
    with pytest.raises(ValueError, match=r"holiday\.bmp belongs to no part.*train_, testA_, testB_"):
        prepare_download("glas", source, tmp_path / "cache")


def test_another_size_is_named(source: Path, tmp_path: Path) -> None:
    save(source / "train_7_anno.bmp", np.zeros((24, 21), np.uint8))
    with pytest.raises(ValueError, match=r"train_7_anno\.bmp has 24 x 21 pixels .*train_7\.bmp has 24 x 20"):
        prepare_download("glas", source, tmp_path / "cache")
