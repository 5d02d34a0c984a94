from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from monai_cwmi.data import load_datalist
from monai_cwmi.data.writing import Case, cut_cases, picture_case, write_dataset


def test_a_data_set_is_written(tmp_path: Path) -> None:
    image, label = np.arange(24, dtype=np.uint8).reshape(2, 4, 3), np.eye(2, 4, dtype=np.uint8)
    cases = [
        picture_case("training", "a", image, label, patient="p"),
        Case("test", "b.txt", {"image": lambda path: path.write_text("b")}),
    ]
    write_dataset(tmp_path, {"name": "set", "labels": {"0": "background"}}, cases)
    content = json.loads((tmp_path / "dataset.json").read_text())
    assert content == {
        "name": "set",
        "labels": {"0": "background"},
        "training": [{"image": "imagesTr/a.png", "label": "labelsTr/a.png", "patient": "p"}],
        "test": [{"image": "imagesTs/b.txt"}],
    }
    (case,) = load_datalist(tmp_path, "training")
    np.testing.assert_array_equal(np.asarray(Image.open(case["image"])), image)
    np.testing.assert_array_equal(np.asarray(Image.open(case["label"])), label)
    assert (tmp_path / "imagesTs" / "b.txt").read_text() == "b"


def test_regions_are_numbered_where_a_section_has_several(tmp_path: Path) -> None:
    image = np.arange(48, dtype=np.uint8).reshape(6, 8)
    sections = {"training": [((0, 6), (0, 3))], "test": [((0, 2), (4, 8)), ((3, 6), (5, 8))]}
    write_dataset(tmp_path, {}, cut_cases(image, image % 3, sections))
    expected = {
        "imagesTr/training.png": image[:, :3],
        "imagesTs/test_0.png": image[:2, 4:],
        "imagesTs/test_1.png": image[3:, 5:],
    }
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("images*/*")} == expected.keys()
    for name, region in expected.items():
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), region)
        label = tmp_path / name.replace("images", "labels")
        np.testing.assert_array_equal(np.asarray(Image.open(label)), region % 3)
