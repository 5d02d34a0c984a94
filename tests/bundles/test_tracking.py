"""What a training leaves in TensorBoard, and the settings for MLflow."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from monai.bundle import ConfigParser
from monai.engines.utils import IterationEvents
from monai.losses import DiceLoss
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_cwmi.bands.spec import BandOptions
from monai_cwmi.functional import measure_bands
from monai_cwmi.measures import AlignedInformation, ResidualError

from .conftest import BUNDLES, NAMES, copy_bundle, make_workflow
from .test_training import DICE_CE

pytestmark = pytest.mark.slow

SHORT: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 6, "patches_per_image": 2}
DATA = {"myelin_sem_segmentation": "rings_dir", "organ_ct_segmentation": "blobs_dir"}
PATCH = {"myelin_sem_segmentation": [64, 64], "organ_ct_segmentation": [32, 32, 32]}
TERMS = ["cross_entropy", "dice", "highpass_error", "lowpass_error"]


def read_events(folder: Path, kind: str) -> dict[str, dict[int, Any]]:
    """Everything of one kind that TensorBoard shows of a folder, by tag and step."""
    found: dict[str, dict[int, Any]] = {}
    for path in folder.glob("events.out.tfevents.*"):
        events = EventAccumulator(str(path), size_guidance={kind: 0}).Reload()
        read = events.Scalars if kind == "scalars" else events.Images
        found |= {tag: {event.step: event for event in read(tag)} for tag in events.Tags()[kind]}
    return found


def terms(scores: torch.Tensor, label: torch.Tensor) -> list[float]:
    """By PyTorch's cross-entropy, MONAI's Dice and the measures."""
    classes = label[:, 0].long()
    pair = scores.softmax(1), F.one_hot(classes, scores.shape[1]).movedim(-1, 1).float()
    counts = pair[1].flatten(2).sum(-1)  # (B, C)
    weights = (counts.amax(1, keepdim=True) / counts.clamp_min(1)).sqrt()[:, :, *[None] * (scores.ndim - 2)]
    entropy = -(weights * pair[1] * scores.log_softmax(1)).sum(1).mean()
    options = BandOptions(only_comparable=True)
    information, errors = measure_bands(*pair, [AlignedInformation(), ResidualError()], options)
    dice = DiceLoss(smooth_nr=1, smooth_dr=1)(*pair)
    return [*(x.item() for x in (entropy, dice, *errors.mean((1, 2)))), *information.mean((1, 2)).tolist()]


@pytest.mark.parametrize("name", DATA)
def test_tensorboard_has_each_term_of_the_loss_and_pictures(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bundle, folder = copy_bundle(tmp_path, name), request.getfixturevalue(DATA[name])
    workflow = make_workflow(bundle, "train.json", dataset_dir=str(folder), **SHORT | {"patch_size": PATCH[name]})
    expected: dict[int, list[list[float]]] = defaultdict(list)

    @workflow.trainer.on(IterationEvents.FORWARD_COMPLETED)
    def remember(engine: Any) -> None:
        scores, label = engine.state.output["pred"], engine.state.output["label"].as_tensor()
        finest = scores[0] if isinstance(scores, (list, tuple)) else scores
        expected[engine.state.epoch].append(terms(finest.detach().as_tensor(), label))

    workflow.run()
    scalars = read_events(bundle / "eval", "scalars")
    for epoch in (1, 2):
        means = torch.tensor(expected[epoch])[[0, 5]].mean(0).tolist()  # every fifth batch
        tags = TERMS + [f"mutual_information_level_{level}" for level in range(1, len(means) - len(TERMS) + 1)]
        assert [scalars[tag][epoch].value for tag in tags] == pytest.approx(means, rel=1e-4, abs=1e-5)
        assert {tag for tag in scalars if tag.startswith("mutual_information")} == set(tags[len(TERMS) :])
        assert 0 < scalars["mean_dice"][epoch].value < 1
    (picture,) = read_events(bundle / "eval", "images")["validation"].values()  # of the first epoch
    assert (picture.step, picture.width) == (1, 900)


def test_another_loss_has_no_terms(bundle: Path, rings_dir: Path) -> None:
    entries = SHORT | {"patch_size": [64, 64], "dataset_dir": str(rings_dir), "loss": DICE_CE}
    make_workflow(bundle, "train.json", **entries).run()
    scalars = read_events(bundle / "eval", "scalars")
    assert scalars.keys() == {"train_loss", "mean_dice", *(f"dice_{name}" for name in ("background", "myelin", "axon"))}
    assert read_events(bundle / "eval", "images").keys() == {"validation"}


@pytest.mark.parametrize("name", NAMES)
def test_the_terms_are_there_before_they_are_logged(name: str) -> None:
    config = json.loads((BUNDLES / name / "configs" / "train.json").read_text())
    handlers = [each["_target_"].rpartition(".")[2] for each in config["train"]["handlers"]]
    # Those that train come first, and are all that the further processes of a multi-GPU training have.
    assert handlers[:3] == ["ParamSchedulerHandler", "LrScheduleHandler", "ValidationHandler"]
    assert handlers[3:] == ["LossTermsHandler", "StatsHandler", "TensorBoardStatsHandler", "ProgressBar"]


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_of_mlflow_name_entries_of_the_bundle(name: str) -> None:
    configs = BUNDLES / name / "configs"
    settings = json.loads((configs / "mlflow.json").read_text())
    assert settings == json.loads((BUNDLES / NAMES[0] / "configs" / "mlflow.json").read_text())
    train = ConfigParser.load_config_file(str(configs / "train.json"))
    for reference in settings["configs"]["hyper_parameters"].values():
        if reference.startswith("@"):
            assert reference[1:] in train
    for place in settings["handlers_id"].values():
        for path in place.values():
            part, _, entry = path.partition("#")
            assert entry in train[part]
