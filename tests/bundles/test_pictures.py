"""What the bundles for pictures make of pictures and labels as users have them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from .conftest import BUNDLES, NAMES, copy_bundle, make_workflow, run_bundle
from .test_fine_tuning import FINE_TUNE
from .test_training import causes

PICTURES = [name for name in NAMES if not name.startswith(("organ", "tissue"))]
MYELIN, EM, VESSEL = "myelin_sem_segmentation", "neurite_em_segmentation", "vessel_fundus_segmentation"
SHORT: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 1, "patches_per_image": 1}
NETWORK = {"_target_": "torch.nn.Conv2d", "out_channels": 2, "kernel_size": 1}


def channels(name: str) -> int:
    content = json.loads((BUNDLES / name / "configs" / "train.json").read_text())
    return int(content["network_def"]["in_channels"])


def tiny(name: str) -> dict[str, Any]:
    """Options for a network that is quickly trained."""
    return SHORT | {"network_def": NETWORK | {"in_channels": channels(name)}, "patch_size": [32, 32]}


def write_cases(folder: Path, shapes: list[tuple[int, int]], seed: int = 0) -> Path:
    """A data set of two classes, a picture of each shape in each section. Dark is class 1."""
    generator = np.random.default_rng(seed)
    content: dict[str, Any] = {"labels": {"0": "background", "1": "box"}}
    for section in ("training", "validation", "test"):
        end = "Ts" if section == "test" else "Tr"
        content[section] = []
        for number, shape in enumerate(shapes):
            case = {key: f"{key}s{end}/{section}_{number}.png" for key in ("image", "label")}
            label = (generator.random(shape) < 0.4).astype(np.uint8)
            for key, array in (("image", np.where(label, 50, 200).astype(np.uint8)), ("label", label)):
                (folder / case[key]).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(folder / case[key])
            content[section].append(case)
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_cases(tmp_path / "data", [(40, 48)] * 2)


def rewrite(path: Path, change: Any) -> None:
    change(Image.open(path)).save(path)


def palette(label: Image.Image) -> Image.Image:
    picture = label.copy()
    picture.putpalette([value for index in range(256) for value in (255 - index, 0, index)])
    return picture


DEFECTS: dict[str, tuple[Any, str]] = {
    "size": (lambda label: label.resize((47, 40)), r"it has 47 x 40 pixels and its image, \S*training_1\.png, 48 x 40"),
    "double size": (lambda label: label.resize((96, 80)), "it has 96 x 80 pixels"),
    "swapped": (lambda label: label.transpose(Image.Transpose.ROTATE_90), "it has 40 x 48 .* EXIF"),
    "0 and 255": (lambda label: label.point(lambda value: 255 * value), r'--label_values "\[0, 255\]"'),
    "0 and 7": (lambda label: label.point(lambda value: 7 * value), "from 0 to 7"),
    "RGB": (lambda label: label.convert("RGB"), "it has 3 channels instead of one"),
    "RGBA": (lambda label: label.convert("RGBA"), "it has 4 channels instead of one"),
    "LA": (lambda label: label.convert("LA"), "it has 2 channels instead of one"),
    "palette": (lambda label: palette(label.point(lambda value: 7 * value)), "from 0 to 7"),
}


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("name", PICTURES)
def test_labels_that_do_not_fit_are_named(name: str, defect: str, data: Path) -> None:
    change, problem = DEFECTS[defect]
    image, label = (data / f"{kind}sTr" / "training_1.png" for kind in ("image", "label"))
    parser = ConfigParser()
    parser.read_config(str(BUNDLES / name / "configs" / "train.json"))
    read = parser.get_parsed_content("train#preprocessing")
    case = {"image": str(image), "label": str(label)}
    assert read(case)["label"].shape == read(case)["image"][:1].shape
    rewrite(label, change)
    with pytest.raises(RuntimeError) as error:
        read(case)
    assert any(re.search(rf"training_1\.png does not fit: .*{problem}", text) for text in causes(error.value))


@pytest.mark.parametrize("name", PICTURES)
def test_indices_of_a_palette_and_a_bit_are_classes(name: str, data: Path) -> None:
    parser = ConfigParser()
    parser.read_config(str(BUNDLES / name / "configs" / "train.json"))
    read = parser.get_parsed_content("train#preprocessing")
    case = {key: str(data / f"{key}sTr" / "training_1.png") for key in ("image", "label")}
    label = np.asarray(Image.open(case["label"]))
    for change in (palette, lambda picture: Image.fromarray(label == 1)):
        rewrite(Path(case["label"]), change)
        np.testing.assert_array_equal(read(case)["label"][0], label.T)


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_the_values_of_the_files_are_classes_everywhere(name: str, data: Path, tmp_path: Path) -> None:
    """Labels of other values give the same training, evaluation and inference, also by way of model.json."""
    figures = []
    for values in (None, [0, 255], {0: 0, 5: 1, 2: 1}):
        bundle = copy_bundle(tmp_path / str(values), name)
        if values:
            for path in data.glob("labels*/*.png"):
                label = np.asarray(Image.open(path)) > 0
                twos = 3 * (np.indices(label.shape).sum(0) % 2) if isinstance(values, dict) else 253
                Image.fromarray((label * (2 + twos)).astype(np.uint8)).save(path)
        options = tiny(name) | {"dataset_dir": str(data)}
        make_workflow(bundle, *FINE_TUNE, label_values=values, **options).run()
        overlay, network = "../models/fine_tuned/model.json", {"network_def": options["network_def"]}
        make_workflow(bundle, "train.json", "evaluate.json", overlay, **network).run()
        make_workflow(bundle, "inference.json", overlay, workflow_type="infer", **network).run()
        written = [np.asarray(Image.open(bundle / "output" / f"test_0_{kind}.png")) for kind in ("seg", "pred")]
        figures.append([(bundle / "eval" / "metrics.csv").read_text(), *(array.tolist() for array in written)])
    assert figures[0] == figures[1] == figures[2]


@pytest.mark.slow
def test_values_are_given_on_the_command_line(data: Path, tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path, EM)
    for path in data.glob("labels*/*.png"):
        rewrite(path, lambda label: label.point(lambda value: 255 * value))
    size = ["--dataset_dir", str(data), "--patch_size", "[32,32]", "--channels", "[4,8]"]
    size += [argument for key, value in SHORT.items() for argument in (f"--{key}", str(value))]
    for values in ("[0, 255]", "{0: 0, 255: 1}"):
        run_bundle("--config_file", "configs/train.json", "--label_values", values, *size, cwd=bundle)


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_label_maps_are_of_the_picture_as_it_is_shown(name: str, tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path, name)
    shown = np.random.default_rng(0).integers(0, 256, (30, 44), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it clockwise
    (tmp_path / "images").mkdir()
    stored = np.rot90(shown)
    pictures = {"deep": stored.astype(np.uint16) * 257, "grey": stored, "colour": np.stack([stored] * 3, -1)}
    for kind, array in pictures.items():
        Image.fromarray(np.ascontiguousarray(array)).save(tmp_path / "images" / f"{kind}.png", exif=exif)
    count = channels(name)
    weight = torch.zeros(2, count, 1, 1)
    weight[1, -1], weight[0, -1] = -1, 1
    torch.save({"weight": weight, "bias": torch.zeros(2)}, tmp_path / "model.pt")
    make_workflow(
        bundle,
        "inference.json",
        workflow_type="infer",
        image_dir=str(tmp_path / "images"),
        ckpt_path=str(tmp_path / "model.pt"),
        class_names=["bright", "dark"],
        network_def=NETWORK | {"in_channels": count},
        patch_size=[32, 32],
    ).run()
    for kind in pictures:
        written = np.asarray(Image.open(bundle / "output" / f"{kind}_seg.png"))
        np.testing.assert_array_equal(written, np.where(shown < shown.mean(), 255, 0), err_msg=kind)


@pytest.mark.slow
@pytest.mark.parametrize("overlays", [[], ["paper.json"]])
@pytest.mark.parametrize("name", [MYELIN, EM, VESSEL])
def test_pictures_smaller_than_half_the_window(name: str, overlays: list[str], tmp_path: Path) -> None:
    if name == MYELIN and overlays:
        pytest.skip("the bundle has no such overlay")
    shapes = [(20, 300), (40, 40), (16, 16), (300, 17)]
    bundle, folder = copy_bundle(tmp_path, name), write_cases(tmp_path / "data", shapes)
    options: dict[str, Any] = {"dataset_dir": str(folder), "patch_size": [256, 256]}
    options |= {} if name == MYELIN else {"channels": [4, 8]}
    size = SHORT | {"steps_per_epoch": 4} | ({} if name == MYELIN else {"batch_size": 1})
    make_workflow(bundle, "train.json", *overlays, **size, **options).run()
    make_workflow(bundle, "train.json", *overlays, "evaluate.json", **options).run()
    make_workflow(bundle, "inference.json", workflow_type="infer", **options).run()
    for number, shape in enumerate(shapes):
        assert np.asarray(Image.open(bundle / "output" / f"test_{number}_seg.png")).shape == shape


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_is_too_small_is_named(name: str, tmp_path: Path) -> None:
    folder = write_cases(tmp_path / "data", [(15, 40)])
    workflow = make_workflow(copy_bundle(tmp_path, name), "train.json", dataset_dir=str(folder))
    with pytest.raises(RuntimeError) as error:
        workflow.run()
    assert any("training_0.png has 40 x 15 pixels, but 16 are needed" in text for text in causes(error.value))
