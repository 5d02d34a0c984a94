"""Runs of a bundle that MLflow keeps; its package is too large to be among those that the tests need."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from .conftest import copy_bundle, run_bundle
from .test_tracking import SHORT, TERMS, read_events

mlflow = pytest.importorskip("mlflow")


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, rings_dir: Path) -> Path:
    """A bundle that was trained and evaluated with the bundle's settings, then trained with MONAI's own."""
    folder = copy_bundle(tmp_path_factory.mktemp("tracked"))
    options = [f"--{key}={value}" for key, value in (SHORT | {"dataset_dir": rings_dir}).items()]
    evaluate = "['configs/train.json','configs/evaluate.json']"
    ours, monais = ("--tracking", "configs/mlflow.json"), ("--tracking", "mlflow")
    run_bundle("--config_file", "configs/train.json", *options, "--run_name", "first", *ours, cwd=folder)
    run_bundle("--config_file", evaluate, *options, "--run_name", "evaluation", *ours, cwd=folder)
    run_bundle("--config_file", "configs/train.json", *options, "--run_name", "second", *monais, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def runs(tracked: Path) -> dict[str, Any]:
    """What MLflow says of each run."""
    client = mlflow.MlflowClient(f"sqlite:///{tracked / 'eval' / 'mlruns.db'}")
    found = {}
    for experiment in client.search_experiments():
        for run in client.search_runs(experiment.experiment_id):
            run.history = {
                name: {point.step: point.value for point in client.get_metric_history(run.info.run_id, name)}
                for name in run.data.metrics
            }
            run.artifacts = {Path(file.path).name: file for file in client.list_artifacts(run.info.run_id)}
            found[run.info.run_name] = run
    assert len(found) == 3
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    return found


def test_the_metrics_are_those_of_tensorboard(tracked: Path, runs: dict[str, Any]) -> None:
    scalars = read_events(tracked / "eval", "scalars")
    tags = {"mean_dice", "dice_background", "dice_myelin", "dice_axon", "train_loss", *TERMS}
    assert tags == scalars.keys()
    for run in (runs["first"], runs["second"]):  # the same training, twice
        assert run.history.keys() == tags | {"lr_group_0"}
        for tag in tags:
            values = {step: event.value for step, event in scalars[tag].items()}
            assert run.history[tag] == pytest.approx(values, rel=1e-4, abs=1e-5), tag


def test_hyper_parameters_and_weights_are_kept(tracked: Path, runs: dict[str, Any]) -> None:
    params = runs["first"].data.params
    expected = {"epochs": "2", "steps_per_epoch": "6", "patch_size": "[128, 128]", "learning_rate": "0.002"}
    expected |= {
        "loss": "CWMILoss",
        "lambda_ce": "1.0",
        "lambda_dice": "1.0",
        "lambda_mi": "0.25",
        "lambda_residual": "0.3",
    }
    expected |= {"seed": "0", "max_epochs": "2"}
    assert expected.items() <= params.items()
    names = runs["first"].artifacts.keys()
    assert "model.pt" in names
    (config,) = names - {"model.pt"}
    executed = json.loads((tracked / "eval" / config).read_text())
    assert executed["patches_per_image"] == 2


def test_an_evaluation_is_a_run_of_its_own(runs: dict[str, Any]) -> None:
    history = runs["evaluation"].history
    assert {"mean_dice", "dice_myelin"} <= history.keys()
    assert "train_loss" not in history
    assert all(math.isfinite(value) for points in history.values() for value in points.values())
