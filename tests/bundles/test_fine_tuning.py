"""Fine-tuning with the bundles' own configs, on folders as a clinic has them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from ignite.engine import Events
from PIL import Image

from .conftest import BUNDLES, NAMES, copy_bundle, make_workflow, run_bundle
from .test_training import causes

pytestmark = pytest.mark.slow

FINE_TUNE = ("train.json", "fine_tune.yaml")
VOLUMES = ["organ_ct_segmentation", "tissue_mr_segmentation"]
PATCH = {"myelin_sem_segmentation": [64, 64], "tissue_mr_segmentation": [32, 32]}


def write_volume(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(image, np.diag([-1.5, 1.5, 2.0, 1.0])), path)


def make_case(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A scan of two kinds of boxes."""
    label = np.zeros((40, 36, 24), np.uint8)
    for value in (1, 2, 1, 2):
        start = generator.integers(0, 20, 3)
        label[tuple(slice(first, first + 12) for first in start)] = value
    return (np.array([-50, 60, 150])[label] + generator.normal(0, 10, label.shape)).astype(np.int16), label


@pytest.fixture(scope="module")
def decathlon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, five cases to train on, a test section of images alone, and what a Mac leaves behind."""
    folder = tmp_path_factory.mktemp("Task42_Box")
    generator = np.random.default_rng(0)
    names = [f"box_{number}.nii.gz" for number in range(6)]
    for name in names:
        image, label = make_case(generator)
        write_volume(folder / ("imagesTs" if name == names[-1] else "imagesTr") / name, image)
        if name != names[-1]:
            write_volume(folder / "labelsTr" / name, (label > 0).astype(np.uint8))
            (folder / "imagesTr" / f"._{name}").write_bytes(b"\0" * 82)
    content = {
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "box"},
        "numTraining": 5,
        "training": [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names[:-1]],
        "test": [f"./imagesTs/{names[-1]}"],
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def nnunet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes, with labels for the test section too."""
    folder = tmp_path_factory.mktemp("Dataset042_Box")
    generator = np.random.default_rng(0)
    for number in range(5):
        image, label = make_case(generator)
        label[:4] = 3
        section = "Ts" if number == 4 else "Tr"
        write_volume(folder / f"images{section}" / f"box_{number:03d}_0000.nii.gz", image)
        write_volume(folder / f"labels{section}" / f"box_{number:03d}.nii.gz", label)
    content = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "box": 1, "core": 2, "wall": 3},
        "numTraining": 4,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def discs_dir(tmp_path_factory: pytest.TempPathFactory, rings_dir: Path) -> Path:
    """The rings with two classes instead of three."""
    folder = tmp_path_factory.mktemp("discs")
    dataset = json.loads((rings_dir / "dataset.json").read_text())
    for section in ("training", "validation", "test"):
        (case,) = dataset[section]
        (folder / case["image"]).write_bytes((rings_dir / case["image"]).read_bytes())
        label = np.asarray(Image.open(rings_dir / case["label"]))
        Image.fromarray((label > 0).astype(np.uint8)).save(folder / case["label"])
    (folder / "dataset.json").write_text(json.dumps(dataset | {"labels": {"0": "background", "1": "disc"}}))
    return folder


def make_checkpoint(bundle: Path) -> Path:
    """Weights of the bundle's own network."""
    network = make_workflow(bundle, "train.json", dataset_dir="unused").network_def
    path = bundle / "models" / "model.pt"
    path.parent.mkdir(exist_ok=True)
    torch.save(network.state_dict(), path)
    return path


def options(bundle: Path, **others: Any) -> dict[str, Any]:
    """As little work as there can be."""
    size = {"epochs": 2, "steps_per_epoch": 1, "patches_per_image": 2}
    return size | {"patch_size": PATCH.get(bundle.name, [32, 32, 32])} | others


def load(path: Path) -> dict[str, Any]:
    """What a checkpoint holds."""
    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


@pytest.mark.parametrize("name", NAMES)
def test_each_bundle_has_the_same_overlay(name: str) -> None:
    files = [(BUNDLES / bundle / "configs" / "fine_tune.yaml").read_text() for bundle in (NAMES[0], name)]
    own = (
        "  spacing: '@spacing'\n",
        "  window: '@window'\n",
        "- $from monai_cwmi.data import count_channels\n",
        "in_channels: $count_channels(@dataset_dir)\n",
        "in_channels: 3  # pictures are read in colour, whatever the data set calls its channels\n",
    )
    for entry in own:
        files = [file.replace(entry, "") for file in files]
    assert files[0] == files[1]


@pytest.mark.parametrize("layout", ["decathlon", "nnunet"])
@pytest.mark.parametrize("name", VOLUMES)
def test_a_folder_of_volumes_is_learnt_from(
    name: str, layout: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, bundle = request.getfixturevalue(layout), copy_bundle(tmp_path, name)
    checkpoint = make_checkpoint(bundle)
    before = checkpoint.read_bytes()
    workflow = make_workflow(bundle, *FINE_TUNE, **options(bundle, dataset_dir=str(data), ckpt=str(checkpoint)))
    workflow.run()
    assert checkpoint.read_bytes() == before

    # All of another shape is reported, and nothing else: the heads.
    network = workflow.network_def.state_dict()
    differing = {name for name, value in load(checkpoint).items() if value.shape != network[name].shape}
    lines = capsys.readouterr().out.splitlines()
    reported = {line.split(": ")[1].split(",")[0] for line in lines if "starts anew" in line}
    assert reported == differing
    assert 0 < len(differing) < 0.3 * len(network)
    class_names = ["background", "box", *(["core", "wall"] if layout == "nnunet" else [])]
    assert workflow.parser.get_parsed_content("class_names") == class_names

    # The fine-tuned model evaluates and infers with its own overlay in place of the bundle's class names.
    overlay = "../models/fine_tuned/model.json"
    patch = options(bundle)["patch_size"]
    inference = make_workflow(bundle, "inference.json", overlay, workflow_type="infer")
    assert list(inference.inferer.roi_size) == patch
    inference.run()
    (image,) = inference.dataset.data
    (written,) = (bundle / "output").glob("*_seg.nii.gz")
    label: Any = nibabel.load(written)
    scan: Any = nibabel.load(image["image"])
    assert label.shape == scan.shape
    np.testing.assert_allclose(label.affine, scan.affine, atol=1e-5)
    assert set(np.unique(label.get_fdata())) <= set(range(len(class_names)))
    if layout == "nnunet":  # the other has no label to compare with
        make_workflow(bundle, "train.json", "evaluate.json", overlay).run()
        assert "dice_wall" in (bundle / "eval" / "metrics.csv").read_text()


@pytest.mark.parametrize("name", VOLUMES)
def test_channels_in_files_of_their_own(name: str, nnunet: Path, tmp_path: Path) -> None:
    data, bundle = Path(shutil.copytree(nnunet, tmp_path / "data")), copy_bundle(tmp_path, name)
    for path in (data / "imagesTr").iterdir():
        path.with_name(path.name.replace("_0000", "_0001")).write_bytes(path.read_bytes())
    content = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(content | {"channel_names": {"0": "T1", "1": "T2"}}))
    entries = options(bundle, epochs=1, dataset_dir=str(data), ckpt=str(make_checkpoint(bundle)))
    make_workflow(bundle, *FINE_TUNE, **entries).run()
    first = next(iter(load(bundle / "models" / "fine_tuned" / "model.pt").values()))
    assert first.shape[1] == 2


def test_a_fine_tuned_model_evaluates_and_infers(bundle: Path, trained: Path, discs_dir: Path) -> None:
    data = {"dataset_dir": str(discs_dir), "ckpt": str(trained / "models" / "model.pt")}
    make_workflow(bundle, *FINE_TUNE, **options(bundle, epochs=1), **data).run()
    own = "models/fine_tuned/model.json"
    printed = run_bundle("--config_file", f"['configs/train.json','configs/evaluate.json','{own}']", cwd=bundle)
    assert "dice_disc" in printed
    make_workflow(bundle, "inference.json", f"../{own}", workflow_type="infer", image_dir=str(discs_dir)).run()
    assert set(np.unique(np.asarray(Image.open(bundle / "output" / "test_image_seg.png")))) <= {0, 255}


def test_a_killed_run_is_continued(bundle: Path, trained: Path, discs_dir: Path) -> None:
    """SIGKILL in the middle of the second of three epochs, and the same command again."""
    data = {"dataset_dir": str(discs_dir), "ckpt": str(trained / "models" / "model.pt")}
    entries = options(bundle, epochs=3, steps_per_epoch=4) | data
    kill = "$@train#trainer.add_event_handler(Events.ITERATION_COMPLETED(once=6), lambda: os.kill(os.getpid(), 9))"
    (bundle / "configs" / "kill.json").write_text(json.dumps({"+imports": ["$import os"], "+initialize": [kill]}))
    command = [sys.executable, "-m", "monai.bundle", "run", *(f"--{key}={value}" for key, value in entries.items())]
    configs = "'configs/train.json','configs/fine_tune.yaml'"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed = [*command, "--config_file", f"[{configs},'configs/kill.json']"]
    result = subprocess.run(killed, cwd=bundle, env=environment, capture_output=True, timeout=300, check=False)
    assert result.returncode == -9
    interrupted = load(bundle / "models" / "fine_tuned" / "run.pt")
    printed = run_bundle("--config_file", f"[{configs}]", *command[4:], cwd=bundle)
    assert "Continuing the run in ./models/fine_tuned after epoch 1." in printed

    whole = make_workflow(bundle, *FINE_TUNE, ckpt_dir=str(bundle / "whole"), **entries)
    whole.run()
    ends = [load(folder / "run.pt") for folder in (bundle / "models/fine_tuned", bundle / "whole")]
    flat = [torch.cat([value.ravel() for value in end["objects"]["network"].values()]) for end in (interrupted, *ends)]
    assert torch.equal(flat[1], flat[2])
    assert not torch.equal(flat[0], flat[1])
    assert ends[0]["best"] == ends[1]["best"]
    models = [load(folder / "model.pt") for folder in (bundle / "models/fine_tuned", bundle / "whole")]
    assert all(torch.equal(value, models[1][name]) for name, value in models[0].items())


def test_a_warm_up_starts_without_information_and_frozen_layers_stay(
    bundle: Path, trained: Path, discs_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = options(bundle, epochs=3, warmup_epochs=2, freeze_layers=[r"^model\.[01]"], learning_rate=0.01)
    entries |= {"dataset_dir": str(discs_dir), "ckpt": str(trained / "models" / "model.pt")}
    workflow = make_workflow(bundle, *FINE_TUNE, **entries)
    trainer, seen = workflow.trainer, []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: seen.append(engine.loss_function.lambda_mi))
    workflow.run()
    assert seen == [0, 0, 0.25]
    (group,) = trainer.optimizer.param_groups
    assert group["initial_lr"] == 0.01
    before = load(trained / "models" / "model.pt")
    for name, value in load(bundle / "models" / "fine_tuned" / "run.pt")["objects"]["network"].items():
        assert value.equal(before[name]) == name.startswith(("model.0", "model.1")), name
    assert "Frozen " in capsys.readouterr().out


def test_training_stops_early(bundle: Path, discs_dir: Path) -> None:
    entries = options(bundle, epochs=9, patience=2, learning_rate=0.0, dataset_dir=str(discs_dir))
    workflow = make_workflow(bundle, *FINE_TUNE, **entries)
    workflow.run()
    # Without learning no epoch is better than the first.
    assert workflow.trainer.state.epoch == 3


def test_a_list_in_another_place(bundle: Path, discs_dir: Path, tmp_path: Path) -> None:
    content = json.loads((discs_dir / "dataset.json").read_text())
    for section in ("training", "validation", "test"):
        content[section] = [{key: str(discs_dir / file) for key, file in case.items()} for case in content[section]]
    (tmp_path / "mine.json").write_text(json.dumps(content))
    workflow = make_workflow(bundle, *FINE_TUNE, **options(bundle, epochs=1, datalist=str(tmp_path / "mine.json")))
    workflow.run()
    evaluation = make_workflow(bundle, "train.json", "evaluate.json", "../models/fine_tuned/model.json")
    assert evaluation.val_dataset_data == content["test"]


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({}, r"The data set folder \. has no dataset\.json"),
        ({"dataset_dir": "/nowhere"}, "/nowhere does not exist"),
    ],
)
def test_a_missing_data_set_is_named(bundle: Path, entries: dict[str, Any], problem: str) -> None:
    with pytest.raises(RuntimeError) as error:
        make_workflow(bundle, *FINE_TUNE, **entries)
    assert any(re.search(problem, message) for message in causes(error.value))


def test_one_patient_is_too_few(bundle: Path, tmp_path: Path) -> None:
    content = {"labels": {"0": "background", "1": "box"}, "training": [{"image": "a.png", "label": "b.png"}]}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(RuntimeError) as error:
        make_workflow(bundle, *FINE_TUNE, dataset_dir=str(tmp_path))
    assert any("has one patient only" in message for message in causes(error.value))


def test_an_evaluation_without_labels_names_the_cases(bundle: Path, decathlon: Path) -> None:
    workflow = make_workflow(bundle, "train.json", "evaluate.json", dataset_dir=str(decathlon))
    with pytest.raises(RuntimeError) as error:
        workflow.run()
    assert any(re.search(r"'test' .* needs labels.*box_5\.nii\.gz", message) for message in causes(error.value))


def test_a_missing_checkpoint_is_named(bundle: Path, discs_dir: Path) -> None:
    workflow = make_workflow(bundle, *FINE_TUNE, dataset_dir=str(discs_dir), ckpt="models/other.pt")
    with pytest.raises(RuntimeError) as error:
        workflow.run()
    assert any("The checkpoint models/other.pt does not exist." in message for message in causes(error.value))


def test_weights_in_the_folder_are_not_overwritten(trained: Path, discs_dir: Path) -> None:
    with pytest.raises(RuntimeError) as error:
        make_workflow(trained, *FINE_TUNE, dataset_dir=str(discs_dir), ckpt_dir=str(trained / "models"))
    assert any("is there already and is not overwritten" in message for message in causes(error.value))
