from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_cwmi.metrics import information_by_level

from .conftest import make_workflow, run_bundle
from .test_training import causes

pytestmark = pytest.mark.slow


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture(scope="session")
def predicted(trained: Path, rings_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What inference from another folder than the bundle's writes for the test image, which has no label there."""
    folder = tmp_path_factory.mktemp("predicted")
    (folder / "images").mkdir()
    (folder / "images" / "mine.png").write_bytes((rings_dir / "test_image.png").read_bytes())
    config = str(trained / "configs" / "inference.json")
    arguments = ("--config_file", config, "--bundle_root", str(trained), "--image_dir", "images")
    run_bundle(*arguments, "--output_dir", "out", cwd=folder)
    assert sorted(path.name for path in folder.iterdir()) == ["images", "out"]
    return folder / "out"


def test_inference_writes_a_label_image_and_a_picture(predicted: Path) -> None:
    assert sorted(path.name for path in predicted.iterdir()) == ["mine_pred.png", "mine_seg.png"]
    label = read(predicted / "mine_seg.png")
    assert label.shape == (140, 100)
    assert label.dtype == np.uint8
    assert set(np.unique(label)) <= {0, 128, 255}


def test_evaluation_prints_and_writes_dice(trained: Path, predicted: Path, rings_dir: Path, tmp_path: Path) -> None:
    configs = [str(trained / "configs" / f"{name}.json") for name in ("train", "evaluate")]
    arguments = ("--config_file", str(configs), "--bundle_root", str(trained), "--output_dir", "eval")
    printed = run_bundle(*arguments, "--dataset_dir", str(rings_dir), cwd=tmp_path)

    prediction, target = read(predicted / "mine_seg.png"), read(rings_dir / "test_label.png")
    dice = {}
    for index, (name, code) in enumerate({"background": 0, "myelin": 128, "axon": 255}.items()):
        found, true = prediction == code, target == index
        dice[f"dice_{name}"] = 2 * (found & true).sum() / (found.sum() + true.sum())
    expected = {"mean_dice": np.mean(list(dice.values())), **dice}

    with (tmp_path / "eval" / "metrics.csv").open() as file:
        written = {name: float(value) for name, value in csv.reader(file)}
    assert written == pytest.approx(expected, abs=1e-4)
    for name, value in expected.items():
        assert f"{name}: {value:.4f}" in printed
    assert (tmp_path / "eval" / "test_image_pred.png").is_file()
    assert (tmp_path / "eval" / "mean_dice_raw.csv").is_file()
    assert (tmp_path / "eval" / "information.png").is_file()
    with (tmp_path / "eval" / "information.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["size"] for row in rows] == ["2", "4", "8", "16"] * 2
    images = [torch.from_numpy(array.T[None, None]) for array in (prediction == 255, target == 2)]  # as MONAI has them
    shares = information_by_level(*images).explained_variance[:, 0, 0]
    found = [float(row["explained_variance"]) for row in rows if row["class"] == "axon"]
    assert found == pytest.approx(shares.tolist(), rel=1e-4)


def test_label_images_lie_on_the_grid_of_their_source(bundle: Path, tmp_path: Path) -> None:
    # A pointwise network in place of the U-Net: bright is myelin, dark is axon, so the answer is known for each pixel.
    weights = {"weight": torch.tensor([0.0, 1.0, -1.0]).view(3, 1, 1, 1), "bias": torch.tensor([0.5, 0.0, 0.0])}
    torch.save(weights, tmp_path / "pointwise.pt")
    generator = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    images = {}
    for name, shape in {"wide": (70, 150), "tall": (201, 90)}.items():
        images[name] = generator.choice(np.array([10, 100, 190], np.uint8), shape)
        Image.fromarray(images[name]).save(tmp_path / "images" / f"{name}.png")
    # An RGB picture of the same grey values gives the same answer.
    Image.fromarray(images["wide"]).convert("RGB").save(tmp_path / "images" / "colour.png")
    images["colour"] = images["wide"]
    make_workflow(
        bundle,
        "inference.json",
        workflow_type="infer",
        image_dir=str(tmp_path / "images"),
        ckpt_path=str(tmp_path / "pointwise.pt"),
        network_def={"_target_": "torch.nn.Conv2d", "in_channels": 1, "out_channels": 3, "kernel_size": 1},
    ).run()
    for name, image in images.items():
        expected = np.select([image == 190, image == 10], [128, 255], 0)
        np.testing.assert_array_equal(read(bundle / "output" / f"{name}_seg.png"), expected)


@pytest.mark.parametrize("configs", [("train.json", "evaluate.json"), ("inference.json",)])
def test_a_missing_model_is_named(bundle: Path, rings_dir: Path, configs: tuple[str, ...]) -> None:
    kind = "infer" if configs == ("inference.json",) else "train"
    data = {"image_dir": str(rings_dir), "dataset_dir": str(rings_dir)}
    workflow = make_workflow(bundle, *configs, workflow_type=kind, **data)
    with pytest.raises(RuntimeError) as error:
        workflow.run()
    model = str(bundle / "models" / "model.pt")
    assert any("No such file" in message and model in message for message in causes(error.value))


@pytest.mark.network
def test_evaluation_and_inference_use_the_held_out_section(
    bundle: Path, myelin_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(myelin_cache))
    image = str(myelin_cache / "myelin_sem" / "imagesTs" / "test.png")
    evaluation = make_workflow(bundle, "train.json", "evaluate.json")
    assert [case["image"] for case in evaluation.val_dataset_data] == [image]
    inference = make_workflow(bundle, "inference.json", workflow_type="infer")
    assert inference.dataset.data == [{"image": image, "label": image.replace("images", "labels")}]


def test_the_picture_shows_the_target_where_there_is_one(bundle: Path, trained: Path, tmp_path: Path) -> None:
    label = np.zeros((70, 90), np.uint8)
    label[20:40, 30:60] = 2
    for name, array in {"imagesTs/a.png": 90 * label, "labelsTs/a.png": label, "other/b.png": 90 * label}.items():
        (tmp_path / name).parent.mkdir()
        Image.fromarray(array).save(tmp_path / name)
    widths = {}
    for folder, picture in {"imagesTs": "a_pred.png", "other": "b_pred.png"}.items():
        options = {"image_dir": str(tmp_path / folder), "ckpt_path": str(trained / "models" / "model.pt")}
        make_workflow(bundle, "inference.json", workflow_type="infer", **options).run()
        widths[folder] = read(bundle / "output" / picture).shape[1]
    assert widths["imagesTs"] == 1.5 * widths["other"]  # three panels, not two
