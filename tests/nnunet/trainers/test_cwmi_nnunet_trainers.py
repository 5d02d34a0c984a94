"""The loss that each trainer builds out of nnU-Net's plans, against losses put together by hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from torch import Tensor

from monai_cwmi import CWMILoss
from monai_cwmi.nnunet import trainers_folder

NAMES = ("nnUNetTrainerCWMILoss", "nnUNetTrainerDiceCECWMILoss")
PATCHES = {"2d": (64, 48), "3d_fullres": (16, 64, 48)}
SPACINGS = {"2d": (0.5, 0.5), "3d_fullres": (4.0, 0.5, 0.5)}
STRIDES = {"2d": [[1, 1], [2, 2], [2, 2], [2, 2]], "3d_fullres": [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]]}
LABELS: dict[str, dict[str, Any]] = {
    "classes": {"background": 0, "myelin": 1, "axon": 2},
    "classes, ignored": {"background": 0, "myelin": 1, "axon": 2, "ignore": 3},
    "regions": {"background": 0, "fibre": [1, 2], "axon": 2},
    "regions, ignored": {"background": 0, "fibre": [1, 2], "axon": 2, "ignore": 3},
}


def find(name: str, monkeypatch: pytest.MonkeyPatch) -> type[nnUNetTrainer]:
    """The trainer as nnU-Net finds it."""
    monkeypatch.setenv("nnUNet_extTrainer", str(trainers_folder()))
    return recursive_find_trainer_class_by_name(name)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., nnUNetTrainer]:
    """A trainer of plans that say no more than what the loss needs."""
    monkeypatch.setenv("nnUNet_results", str(tmp_path))

    def trainer(name: str, configuration: str, labels: str) -> nnUNetTrainer:
        network = {"arch_kwargs": {"strides": STRIDES[configuration]}}
        plans = {
            "dataset_name": "Dataset501_Myelin",
            "plans_name": "nnUNetPlans",
            "continue_training": False,
            "configurations": {
                configuration: {
                    "patch_size": list(PATCHES[configuration]),
                    "spacing": list(SPACINGS[configuration]),
                    "batch_size": 2,
                    "batch_dice": configuration == "2d",
                    "architecture": network,
                }
            },
        }
        dataset = {"labels": LABELS[labels], "channel_names": {"0": "SEM"}, "regions_class_order": [1, 2]}
        return find(name, monkeypatch)(plans, configuration, 0, dataset, torch.device("cpu"))

    return trainer


def heads(configuration: str, labels: str) -> tuple[list[Tensor], list[Tensor], list[tuple[float, ...]]]:
    """Scores, targets as nnU-Net makes them, and spacings of three heads of deep supervision, the finest first."""
    generator = torch.Generator().manual_seed(0)
    channels = 2 if "regions" in labels else 3
    size, spacing = PATCHES[configuration], SPACINGS[configuration]
    outputs, targets, spacings = [], [], []
    for stride in STRIDES[configuration][:-1]:
        size = tuple(n // s for n, s in zip(size, stride, strict=True))
        spacing = tuple(x * s for x, s in zip(spacing, stride, strict=True))
        outputs.append(torch.randn(2, channels, *size, generator=generator, dtype=torch.float64))
        classes = torch.randint(0, 3 + ("ignored" in labels), (2, 1, *size), generator=generator)
        target = classes.to(torch.int16)
        if "regions" in labels:
            marks = [(classes == 1) | (classes == 2), classes == 2, classes == 3]
            target = torch.cat(marks[: 2 + ("ignored" in labels)], 1)
        targets.append(target)
        spacings.append(spacing)
    return outputs, targets, spacings


def cwmi(output: Tensor, target: Tensor, spacing: tuple[float, ...], **lambdas: Any) -> Tensor:
    """CWMILoss with one-hot targets of floats, in which ignored voxels are -1."""
    is_sigmoid = output.shape[1] == 2
    if is_sigmoid:
        truth = target[:, :2].double()
        ignored = target[:, 2:].any(1, keepdim=True)
    else:
        truth = torch.cat([target == n for n in range(3)], 1).double()
        ignored = target == 3
    truth = truth.masked_fill(ignored, -1)
    loss = CWMILoss(
        softmax=not is_sigmoid, sigmoid=is_sigmoid, slice_dims=(0,), spacing=spacing, ignore_index=-1, **lambdas
    )
    return loss(output, truth)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("configuration", PATCHES)
def test_cross_entropy_and_information(configuration: str, labels: str, make: Callable[..., nnUNetTrainer]) -> None:
    outputs, targets, spacings = heads(configuration, labels)
    terms = [cwmi(*head) for head in zip(outputs, targets, spacings, strict=True)]
    # nnU-Net halves the weight from head to head, leaves the coarsest out, and lets them add up to 1.
    expected = (terms[0] + terms[1] / 2) / 1.5
    loss = make("nnUNetTrainerCWMILoss", configuration, labels)._build_loss()
    torch.testing.assert_close(loss(outputs, targets), expected)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("configuration", PATCHES)
def test_dice_and_cross_entropy_and_information(
    configuration: str, labels: str, make: Callable[..., nnUNetTrainer]
) -> None:
    outputs, targets, spacings = heads(configuration, labels)
    terms = [cwmi(*head, lambda_ce=0.0, lambda_dice=0.0) for head in zip(outputs, targets, spacings, strict=True)]
    trainer = make("nnUNetTrainerDiceCECWMILoss", configuration, labels)
    nnunet_loss = nnUNetTrainer._build_loss(trainer)  # nnU-Net's own
    expected = nnunet_loss(outputs, targets) + (terms[0] + terms[1] / 2) / 1.5
    torch.testing.assert_close(trainer._build_loss()(outputs, targets), expected)


@pytest.mark.parametrize("name", NAMES)
def test_without_deep_supervision(name: str, make: Callable[..., nnUNetTrainer]) -> None:
    outputs, targets, spacings = heads("2d", "classes")
    trainer = make(name, "2d", "classes")
    trainer.enable_deep_supervision = False
    loss = trainer._build_loss()
    off = {} if name == "nnUNetTrainerCWMILoss" else {"lambda_ce": 0.0, "lambda_dice": 0.0}
    expected = cwmi(outputs[0], targets[0], spacings[0], **off)
    if name == "nnUNetTrainerDiceCECWMILoss":
        expected = expected + nnUNetTrainer._build_loss(trainer)(outputs[0], targets[0])
    torch.testing.assert_close(loss(outputs[0], targets[0]), expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_trainer_takes_what_nnunets_own_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """nnU-Net saves the arguments by the names that it sees, and gives them by name."""
    assert inspect.signature(find(name, monkeypatch)) == inspect.signature(nnUNetTrainer)


@pytest.mark.parametrize("name", NAMES)
def test_epochs_without_information_may_be_asked_for(
    name: str, make: Callable[..., nnUNetTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nnUNetTrainer, "on_train_epoch_start", lambda self: None)
    trainer = make(name, "2d", "classes")
    trainer.__class__ = type("nnUNetTrainerWarm", (type(trainer),), {"warm_up_epochs": 1})
    trainer._build_loss()
    weights = []
    for epoch in (0, 1, 2, 0, 7):  # the last two: a new training, and one that is continued
        trainer.current_epoch = epoch
        trainer.on_train_epoch_start()
        weights.append(trainer.head_loss.cwmi.lambda_mi)
    full = CWMILoss().lambda_mi
    assert weights == [0.0, full, full, 0.0, full]


def test_weights_of_a_derived_trainer(make: Callable[..., nnUNetTrainer]) -> None:
    outputs, targets, spacings = heads("2d", "classes")
    trainer = make("nnUNetTrainerCWMILoss", "2d", "classes")
    trainer.__class__ = type(
        "nnUNetTrainerDerived", (type(trainer),), {"loss_options": {"lambda_ce": 0.5, "lambda_mi": 0.3}}
    )
    trainer.enable_deep_supervision = False
    expected = cwmi(outputs[0], targets[0], spacings[0], lambda_ce=0.5, lambda_mi=0.3)
    torch.testing.assert_close(trainer._build_loss()(outputs[0], targets[0]), expected)
