from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events

from .conftest import make_workflow, run_bundle

pytestmark = pytest.mark.slow

DICE_CE = {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True}
SHORT: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 1, "patches_per_image": 2, "patch_size": [64, 64]}


def causes(error: BaseException | None) -> list[str]:
    """The messages of an error and of what led to it."""
    return [] if error is None else [str(error), *causes(error.__cause__)]


def weights(bundle: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(bundle / "models" / "model.pt", weights_only=True)
    return loaded


def test_training_writes_models_and_eval_in_its_own_folder(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == ["LICENSE", "configs", "docs", "eval", "models"]
    assert [path.name for path in (trained / "models").iterdir()] == ["model.pt"]
    assert list((trained / "eval").glob("events.out.tfevents.*"))


def test_the_checkpoint_is_the_networks_state(trained: Path) -> None:
    network = make_workflow(trained, "train.json").network_def
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(weights(trained))
    assert any((before[name] != value).any() for name, value in network.state_dict().items())


def test_the_best_validation_is_kept(bundle: Path, rings_dir: Path) -> None:
    workflow = make_workflow(bundle, "train.json", dataset_dir=str(rings_dir), **SHORT | {"epochs": 4})
    history: list[tuple[float, dict[str, torch.Tensor]]] = []

    @workflow.evaluator.on(Events.COMPLETED)
    def remember(engine: Any) -> None:
        state = {name: value.clone() for name, value in workflow.network_def.state_dict().items()}
        history.append((engine.state.metrics["mean_dice"], state))

    workflow.run()
    assert len(history) == 4
    best = max(history, key=lambda entry: entry[0])[1]
    for name, value in weights(bundle).items():
        torch.testing.assert_close(value, best[name], rtol=0, atol=0)


@pytest.mark.parametrize("warmup_epochs", [0, 1])
def test_epochs_without_information_may_be_asked_for(bundle: Path, rings_dir: Path, warmup_epochs: int) -> None:
    loss = {"_target_": "monai_cwmi.CWMILoss", "to_onehot_y": True, "softmax": True, "lambda_mi": 0.7}
    size = SHORT | {"epochs": 3, "steps_per_epoch": 2, "warmup_epochs": warmup_epochs}
    workflow = make_workflow(bundle, "train.json", dataset_dir=str(rings_dir), loss=loss, **size)
    seen: list[tuple[int, float]] = []

    @workflow.trainer.on(Events.ITERATION_COMPLETED)
    def remember(engine: Any) -> None:
        seen.append((engine.state.epoch, engine.loss_function.lambda_mi))

    workflow.run()
    first = 0 if warmup_epochs else 0.7
    assert seen == [(1, first), (1, first), (2, 0.7), (2, 0.7), (3, 0.7), (3, 0.7)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "loss.yaml",
            "loss:\n  _target_: monai_cwmi.CWMILoss\n  to_onehot_y: true\n  softmax: true\n  lambda_ce: 0.5\n",
        ),
        (
            "loss.json",
            '{"loss": {"_target_": "monai_cwmi.CWMILoss", "to_onehot_y": true, "softmax": true, "lambda_ce": 0.5}}',
        ),
    ],
)
def test_a_loss_in_an_overlay(bundle: Path, rings_dir: Path, name: str, text: str) -> None:
    (bundle / "configs" / name).write_text(text)
    workflow = make_workflow(bundle, "train.json", name, dataset_dir=str(rings_dir), **SHORT)
    workflow.run()
    loss = workflow.trainer.loss_function
    assert type(loss).__name__ == "CWMILoss"
    assert loss.lambda_ce == 0.5
    assert weights(bundle)


def test_another_loss_trains_too(bundle: Path, rings_dir: Path) -> None:
    workflow = make_workflow(bundle, "train.json", dataset_dir=str(rings_dir), loss=DICE_CE, **SHORT | {"epochs": 2})
    workflow.run()
    assert type(workflow.trainer.loss_function).__name__ == "DiceCELoss"
    assert weights(bundle)


def test_the_same_seed_gives_the_same_weights(bundle: Path, rings_dir: Path) -> None:
    runs = []
    for seed in (0, 0, 1):
        make_workflow(bundle, "train.json", dataset_dir=str(rings_dir), seed=seed, **SHORT).run()
        runs.append(torch.cat([value.ravel() for value in weights(bundle).values()]))
        shutil.rmtree(bundle / "models")
    assert torch.equal(runs[0], runs[1])
    assert not torch.allclose(runs[0], runs[2])


def test_validation_sees_the_validation_section_only(bundle: Path, rings_dir: Path) -> None:
    workflow = make_workflow(bundle, "train.json", dataset_dir=str(rings_dir))
    assert [Path(case["image"]).name for case in workflow.train_dataset_data] == ["training_image.png"]
    assert [Path(case["image"]).name for case in workflow.val_dataset_data] == ["validation_image.png"]


def test_a_missing_data_set_is_named(bundle: Path) -> None:
    workflow = make_workflow(bundle, "train.json", dataset_dir="/nowhere")
    with pytest.raises(RuntimeError) as error:
        workflow.run()
    assert any("/nowhere does not exist. Fetch a sample" in message for message in causes(error.value))


def test_two_processes_train_together(bundle: Path, rings_dir: Path) -> None:
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nnodes=1", "--nproc_per_node=2")
    save = "$torch.save(@network.module.state_dict(), @bundle_root + '/rank' + str(dist.get_rank()) + '.pt')"
    (bundle / "configs" / "save.json").write_text(json.dumps({"+run": [save]}))
    configs = "['configs/train.json','configs/multi_gpu_train.json','configs/save.json']"
    size = [f"--{key}={value}" for key, value in (SHORT | {"epochs": 2}).items()]
    printed = run_bundle(
        "--config_file", configs, "--dataset_dir", str(rings_dir), *size, cwd=bundle, launcher=launcher
    )
    # Of the validation and of the training; the other process keeps quiet.
    assert printed.count("Epoch[2] Metrics") == 2
    # They saw different patches, and agree on the weights all the same.
    ranks = [torch.load(bundle / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]
    assert all(torch.equal(value, ranks[1][name]) for name, value in ranks[0].items())
    network = make_workflow(bundle, "train.json").network_def
    network.load_state_dict(weights(bundle))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_uses_the_gpu(bundle: Path, rings_dir: Path) -> None:
    workflow = make_workflow(bundle, "train.json", dataset_dir=str(rings_dir), **SHORT)
    workflow.run()
    assert workflow.trainer.amp
    assert next(workflow.network_def.parameters()).is_cuda


@pytest.mark.network
def test_the_data_set_is_fetched_by_default(bundle: Path, myelin_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(myelin_cache))
    workflow = make_workflow(bundle, "train.json", **SHORT)
    workflow.run()
    assert workflow.dataset_dir == str(myelin_cache / "myelin_sem")
    assert weights(bundle)
