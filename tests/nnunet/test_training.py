"""nnU-Net's own commands, run in this process on a few real tiles and slabs with a tiny network."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.dummy
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry
from nnunetv2.run.run_training import get_trainer_from_args, run_training_entry
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from PIL import Image
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from monai_cwmi.data import fetch_sample
from monai_cwmi.nnunet import trainers_folder

pytestmark = [pytest.mark.slow, pytest.mark.network]

# Two steps an epoch. The number of epochs is the environment's, so that a training can be continued.
TRAINERS = """
import os
import torch
from monai_cwmi.nnunet.trainers import cwmi_nnunet_trainers as trainers

class Short:
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = int(os.environ["EPOCHS"])
        self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 2, 1

class nnUNetTrainerShortCWMI(Short, trainers.nnUNetTrainerCWMILoss):
    pass

class nnUNetTrainerShortDiceCECWMI(Short, trainers.nnUNetTrainerDiceCECWMILoss):
    pass

class nnUNetTrainerOnCPUs(nnUNetTrainerShortCWMI):
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.device = device  # where nnU-Net gives each of several processes a GPU
"""


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Path:
    """A folder that nnU-Net's variables point into."""
    root = tmp_path_factory.mktemp("nnunet")
    for name in ("raw", "preprocessed", "results"):
        patch.setenv(f"nnUNet_{name}", str(root / name))
    (root / "trainers").mkdir()
    (root / "trainers" / "short_cwmi_trainers.py").write_text(TRAINERS)
    patch.setenv("nnUNet_extTrainer", f"{trainers_folder()}:{root / 'trainers'}")
    # nnU-Net starts processes that import everything anew; for data as small as this, threads do.
    real = multiprocessing.get_context
    patch.setattr(
        multiprocessing, "get_context", lambda method=None: multiprocessing.dummy if method == "spawn" else real(method)
    )
    return root


def run(command: Any, *words: str, patch: pytest.MonkeyPatch) -> None:
    """One of nnU-Net's commands."""
    patch.setattr(sys, "argv", [command.__name__, *words])
    threads = torch.get_num_threads()
    try:
        command()
    finally:
        torch.set_num_threads(threads)


def plan(root: Path, number: int, name: str, description: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    """Plan and preprocess, and make the planned network small."""
    dataset = f"Dataset{number}_{name}"
    (root / "raw" / dataset / "dataset.json").write_text(json.dumps(description))
    configuration = "2d" if description["file_ending"] == ".png" else "3d_fullres"
    patch.setenv("nnUNet_n_proc_DA", "1")
    run(plan_and_preprocess_entry, "-d", str(number), "-c", configuration, "-npfp", "1", "-np", "1", patch=patch)
    path = root / "preprocessed" / dataset / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    network = plans["configurations"][configuration]["architecture"]["arch_kwargs"]
    network["features_per_stage"] = [4] * network["n_stages"]
    path.write_text(json.dumps(plans))


def train(*words: str, epochs: int, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("EPOCHS", str(epochs))
    patch.setenv("nnUNet_n_proc_DA", "0")
    run(run_training_entry, *words, "-device", "cpu", patch=patch)


def weights_of_information(folder: Path) -> list[float]:
    """As logged in each epoch of the trainings in a folder, one after the other."""
    log = "".join(path.read_text() for path in sorted(folder.glob("training_log_*.txt"), key=os.path.getmtime))
    return [float(weight) for weight in re.findall(r"Weights of the terms: .*mutual_information ([\d.]+)", log)]


@pytest.fixture(scope="module")
def tiles(root: Path, myelin_cache: Path, patch: pytest.MonkeyPatch) -> Path:
    """Tiles of the micrograph, planned."""
    for folder, suffix in {"imagesTr": "_0000", "labelsTr": ""}.items():
        picture = np.asarray(Image.open(myelin_cache / "myelin_sem" / folder / "training.png"))
        (root / "raw" / "Dataset501_Myelin" / folder).mkdir(parents=True)
        for number in range(3):
            tile = picture[64 * number : 64 * number + 64, :64]
            Image.fromarray(tile).save(root / "raw" / "Dataset501_Myelin" / folder / f"{number}{suffix}.png")
    labels = {"background": 0, "myelin": 1, "axon": 2}
    description = {"channel_names": {"0": "SEM"}, "labels": labels, "numTraining": 3, "file_ending": ".png"}
    plan(root, 501, "Myelin", description, patch)
    return root / "results" / "Dataset501_Myelin"


@pytest.fixture(scope="module")
def slabs(root: Path, patch: pytest.MonkeyPatch) -> Path:
    """Thick slices of a CT scan in two channels, with regions and part of each label ignored, planned."""
    sample = fetch_sample("organ_ct", root / "cache")
    for folder in ("imagesTr", "labelsTr"):
        (root / "raw" / "Dataset502_Liver" / folder).mkdir(parents=True)
        for case in ("training_000", "training_096"):
            volume: Any = nibabel.load(sample / folder / f"{case}.nii.gz")
            array = np.asarray(volume.dataobj)[40:88, 40:88, ::4]
            if folder == "labelsTr":
                array = array.astype(np.uint8)
                array[:12] = 3
            affine = volume.affine @ np.diag([1, 1, 4, 1])  # six millimetres thick, 1.5 wide
            channels = {"": array} if folder == "labelsTr" else {"_0000": array, "_0001": array.clip(0, 100)}
            for suffix, channel in channels.items():
                path = root / "raw" / "Dataset502_Liver" / folder / f"{case}{suffix}.nii.gz"
                nibabel.save(nibabel.Nifti1Image(channel, affine), path)
    description = {
        "channel_names": {"0": "CT", "1": "soft tissue"},
        "labels": {"background": 0, "liver": [1, 2], "lesion": 2, "ignore": 3},
        "regions_class_order": [1, 2],
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    plan(root, 502, "Liver", description, patch)
    return root / "results" / "Dataset502_Liver"


def test_images_and_what_a_training_goes_on_from(tiles: Path, patch: pytest.MonkeyPatch) -> None:
    first = tiles / "nnUNetTrainerShortCWMI__nnUNetPlans__2d" / "fold_all"
    train("501", "2d", "all", "-tr", "nnUNetTrainerShortCWMI", epochs=2, patch=patch)
    assert weights_of_information(first) == [0.25, 0.25]
    summary = json.loads((first / "validation" / "summary.json").read_text())
    assert 0 < summary["foreground_mean"]["Dice"] < 1

    train("501", "2d", "all", "-tr", "nnUNetTrainerShortCWMI", "--c", epochs=3, patch=patch)
    checkpoint = torch.load(first / "checkpoint_final.pth", weights_only=False)
    losses = checkpoint["logging"]["train_losses"]
    assert losses[0] > min(losses[1:])
    assert weights_of_information(first) == [0.25, 0.25, 0.25]

    words = ("-tr", "nnUNetTrainerShortDiceCECWMI", "-pretrained_weights", str(first / "checkpoint_final.pth"))
    train("501", "2d", "all", *words, epochs=2, patch=patch)
    second = tiles / "nnUNetTrainerShortDiceCECWMI__nnUNetPlans__2d" / "fold_all"
    assert weights_of_information(second) == [0.25, 0.25]


def test_volumes_with_regions_channels_and_ignored_voxels(slabs: Path, patch: pytest.MonkeyPatch) -> None:
    train("502", "3d_fullres", "all", "-tr", "nnUNetTrainerShortDiceCECWMI", epochs=2, patch=patch)
    folder = slabs / "nnUNetTrainerShortDiceCECWMI__nnUNetPlans__3d_fullres" / "fold_all"
    logging = torch.load(folder / "checkpoint_final.pth", weights_only=False)["logging"]
    assert np.isfinite(logging["train_losses"] + logging["val_losses"]).all()
    assert weights_of_information(folder) == [0.25, 0.25]
    summary = json.loads((folder / "validation" / "summary.json").read_text())
    assert summary["mean"].keys() == {"(1, 2)", "2"}


def test_two_processes_learn_what_one_does(tiles: Path, patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """nnU-Net's command wants a GPU for each process; its trainer's own code runs here in two without any."""
    patch.setenv("EPOCHS", "1")
    patch.setenv("nnUNet_n_proc_DA", "0")
    start_processes(_one_of_two, (str(tmp_path),), nprocs=2, start_method="fork")
    trainer = _trainer()
    trainer.initialize()
    _step(trainer, slice(None))
    # Of the coarsest head nnU-Net leaves a millionth in, where there are several processes.
    torch.testing.assert_close(torch.load(tmp_path / "step.pt"), trainer.network.state_dict(), rtol=1e-4, atol=1e-5)

    folder = tiles / "nnUNetTrainerOnCPUs__nnUNetPlans__2d" / "fold_all"
    assert weights_of_information(folder) == [0.25]
    assert 0 < json.loads((folder / "validation" / "summary.json").read_text())["foreground_mean"]["Dice"] < 1


def _one_of_two(rank: int, folder: str) -> None:
    """A step with half of a batch, and a whole training."""
    torch.set_num_threads(1)  # threads that the parent process had are not here
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{nnUNetTrainer.__module__}.DDP", lambda network, device_ids: DistributedDataParallel(network))
        trainer = _trainer()
        trainer.initialize()
        _step(trainer, slice(rank, rank + 1))
        if rank == 0:
            torch.save(trainer.network.module.state_dict(), Path(folder, "step.pt"))

        trainer = _trainer()
        trainer.run_training()
        weights = torch.cat([weight.detach().flatten() for weight in trainer.network.parameters()])
        both = [torch.empty_like(weights) for _ in range(2)]
        torch.distributed.all_gather(both, weights)
        assert torch.equal(*both)
        trainer.perform_actual_validation()
    torch.distributed.destroy_process_group()


def _trainer() -> Any:
    torch.manual_seed(0)
    return get_trainer_from_args("501", "2d", "all", "nnUNetTrainerOnCPUs", "nnUNetPlans", device=torch.device("cpu"))


def _step(trainer: Any, part: slice) -> None:
    """A step of training with information, on the same batch of two whatever the process."""
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(2, 1, 64, 64, generator=generator)
    scales = trainer._get_deep_supervision_scales()
    targets = [(data[..., :: int(1 / scale[0]), :: int(1 / scale[1])] > 0).to(torch.int16) for scale in scales]
    trainer.network.train()
    trainer.train_step({"data": data[part], "target": [target[part] for target in targets]})
