from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Orientationd
from PIL import Image

from monai_cwmi.pictures import SavePanelsd, save_panels

NAMES = ["background", "myelin", "axon"]


@pytest.fixture
def case(rings_dir: Path) -> Any:
    """One loaded case, with its label as the prediction."""
    load = Compose([LoadImaged(["image", "label", "pred"]), EnsureChannelFirstd(["image", "label", "pred"])])
    files = {"image": "test_image.png", "label": "test_label.png", "pred": "validation_label.png"}
    return load({key: rings_dir / name for key, name in files.items()})


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_the_picture_is_upright_and_named_after_the_image(case: Any, rings_dir: Path, tmp_path: Path) -> None:
    SavePanelsd("pred", tmp_path / "out", NAMES)(case)
    files = ("test_image.png", "validation_label.png", "test_label.png")
    save_panels(tmp_path / "expected.png", *(read(rings_dir / name) for name in files), class_names=NAMES)
    np.testing.assert_array_equal(read(tmp_path / "out" / "test_image_pred.png"), read(tmp_path / "expected.png"))


@pytest.mark.parametrize("absent", ["no key", "None"])
def test_a_case_without_a_label(case: Any, rings_dir: Path, tmp_path: Path, absent: str) -> None:
    unlabelled: Any = {"image": case["image"], "pred": case["pred"]} | ({"label": None} if absent == "None" else {})
    SavePanelsd("pred", tmp_path, NAMES)(unlabelled)
    files = ("test_image.png", "validation_label.png")
    save_panels(tmp_path / "expected.png", *(read(rings_dir / name) for name in files), class_names=NAMES)
    np.testing.assert_array_equal(read(tmp_path / "test_image_pred.png"), read(tmp_path / "expected.png"))


def test_three_channels_are_drawn_in_colour(case: Any, rings_dir: Path, tmp_path: Path) -> None:
    colours = torch.cat((case["image"], 0 * case["image"], 255 - case["image"]))
    SavePanelsd("pred", tmp_path, NAMES)(case | {"image": colours})
    image, *labels = (read(rings_dir / f"{name}.png") for name in ("test_image", "validation_label", "test_label"))
    upright = np.stack((image, 0 * image, 255 - image), -1)
    save_panels(tmp_path / "expected.png", upright, *labels, class_names=NAMES)
    np.testing.assert_array_equal(read(tmp_path / "test_image_pred.png"), read(tmp_path / "expected.png"))


def test_the_first_of_two_channels_is_drawn(case: Any, tmp_path: Path) -> None:
    SavePanelsd("pred", tmp_path / "one", NAMES)(case)
    SavePanelsd("pred", tmp_path / "two", NAMES)(case | {"image": torch.cat((case["image"], 0 * case["image"]))})
    one, two = (read(tmp_path / name / "test_image_pred.png") for name in ("one", "two"))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("axcodes", ["LPS", "SRA"])
def test_a_volume_is_drawn_the_same_in_every_orientation(blobs_dir: Path, tmp_path: Path, axcodes: str) -> None:
    keys = ["image", "label", "pred"]
    files = {"image": "imagesTs/test_0.nii.gz", "label": "labelsTs/test_0.nii.gz", "pred": "labelsTs/test_0.nii.gz"}
    volume = LoadImaged(keys, ensure_channel_first=True)({key: blobs_dir / name for key, name in files.items()})
    # The file's first axis runs to the left, and its voxels are of 1, 1.25 and 1.5 mm.
    arrays = [volume[key][0].numpy()[::-1] for key in keys]
    save_panels(tmp_path / "expected.png", *arrays, class_names=NAMES, spacing=(1, 1.25, 1.5))
    SavePanelsd("pred", tmp_path, NAMES)(Orientationd(keys, axcodes, labels=None)(volume))
    np.testing.assert_array_equal(read(tmp_path / "test_0_pred.png"), read(tmp_path / "expected.png"))


def test_the_data_pass_through(case: Any, tmp_path: Path) -> None:
    before = {key: case[key].clone() for key in case}
    after = SavePanelsd("pred", tmp_path, NAMES)(case)
    assert after.keys() == before.keys()
    for key in before:
        torch.testing.assert_close(after[key], before[key])


def test_other_keys(case: Any, tmp_path: Path) -> None:
    renamed: Any = {"scan": case["image"], "truth": case["label"], "a": case["pred"], "b": case["label"]}
    SavePanelsd(["a", "b"], tmp_path, NAMES, image_key="scan", label_key="truth")(renamed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test_image_a.png", "test_image_b.png"]


def test_scores_in_place_of_indices_are_named(case: Any, tmp_path: Path) -> None:
    scores = case | {"pred": case["pred"].repeat(3, 1, 1)}
    with pytest.raises(ValueError, match=r"'pred' must have the shape \(1, X, Y\) or .*, got \(3, 100, 140\)"):
        SavePanelsd("pred", tmp_path, NAMES)(scores)


def test_the_folder_of_a_series_names_the_picture_in_full(case: Any, tmp_path: Path) -> None:
    (tmp_path / "1.2.840.7").mkdir()
    case["image"].meta["filename_or_obj"] = str(tmp_path / "1.2.840.7")
    SavePanelsd("pred", tmp_path / "out", NAMES)(case)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.2.840.7_pred.png"]
