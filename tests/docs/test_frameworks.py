"""The recipes of docs/how-to/frameworks.md run as they are printed, each where its framework is installed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser
from monai.losses import DeepSupervisionLoss

from monai_cwmi import CWMILoss

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "frameworks.md").read_text()
TORCHVISION = ROOT / "tests" / "nnunet" / "torchvision_beside_cpu_torch" / "sitecustomize.py"


def block(section: str) -> str:
    """The one block of code of a section."""
    (text,) = re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0], re.S)
    return str(text)


@pytest.fixture
def cases() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Two batches of images whose bright discs are classes 1 and 2."""
    generator = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    found = []
    for _ in range(2):
        label = torch.zeros(4, 1, 64, 64)
        for number, image in enumerate(label[:, 0]):
            image[(rows - 20).hypot(columns - 24 - 4 * number) < 12] = 1
            image[(rows - 44).hypot(columns - 40) < 10] = 2
        found.append((label + 0.2 * torch.randn(label.shape, generator=generator), label))
    return found


@pytest.mark.parametrize("sigmoid", [False, True])
def test_auto3dseg(sigmoid: bool) -> None:
    # The template resolves the file, takes what it says of the loss, and makes that.
    parser = ConfigParser(yaml.safe_load(block("Auto3DSeg")) | {"sigmoid": sigmoid})
    parser.parse()
    config = {name: parser.get_parsed_content(f"loss#{name}", instantiate=False) for name in parser["loss"]}
    loss = ConfigParser(config).get_parsed_content(instantiate=True)
    assert isinstance(loss, CWMILoss)
    assert (loss.prepare.sigmoid, loss.prepare.softmax, loss.prepare.to_onehot_y) == (sigmoid, not sigmoid, not sigmoid)
    scores = [torch.randn(1, 3, size, size, size, requires_grad=True) for size in (32, 16)]
    label = torch.randint(0, 2, (1, 3, 32, 32, 32)) if sigmoid else torch.randint(0, 3, (1, 1, 32, 32, 32))
    DeepSupervisionLoss(loss)(scores, label.float()).backward()
    assert all(bool(each.grad.abs().sum() > 0) for each in scores if each.grad is not None)
    assert all(each.grad is not None for each in scores)


def test_nvidia_flare(tmp_path: Path, rings_dir: Path) -> None:
    roots = []
    for number in range(2):
        root = tmp_path / str(number)
        source = ROOT / "bundles" / "myelin_sem_segmentation"
        shutil.copytree(source, root, ignore=shutil.ignore_patterns("models", "eval", "output"))
        roots.append(str(root))
    names: dict[str, Any] = {"dataset_dir": str(rings_dir), "bundle_roots": roots}
    exec(block("NVIDIA FLARE"), names)
    for client in names["clients"]:
        assert client.trainer.state.epoch == 2
        assert client.trainer.loss_function.lambda_mi == CWMILoss().lambda_mi
        assert client.trainer.state.metrics["mutual_information_level_1"] > 0
    first, second = names["updates"]
    name = next(name for name, value in first.items() if value.is_floating_point())
    torch.testing.assert_close(names["weights"][name], (first[name] + second[name]) / 2)


def test_lightning(cases: Any, tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning")
    names: dict[str, Any] = {}
    exec(block("PyTorch Lightning"), names)
    torch.manual_seed(0)
    model = names["Segmentation"]()
    seen = []

    class Watch(lightning.Callback):  # type: ignore[name-defined]
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
            seen.append((trainer.current_epoch, float(outputs["loss"])))

    trainer = lightning.Trainer(
        max_epochs=4,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        callbacks=[Watch()],
        default_root_dir=tmp_path,
        enable_progress_bar=False,
    )
    trainer.fit(model, torch.utils.data.DataLoader(cases, batch_size=None))
    assert [epoch for epoch, _ in seen] == [epoch for epoch in range(4) for _ in range(2)]
    assert seen[-1][1] < seen[1][1]  # of the same batch


def test_segmentation_models_pytorch(cases: Any) -> None:
    exec(TORCHVISION.read_text(), {})
    pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    names: dict[str, Any] = {"batches": cases}
    exec(block("segmentation_models_pytorch"), names)
    before = {"batches": cases[:1]}
    torch.manual_seed(0)
    exec(block("segmentation_models_pytorch").replace("range(3)", "range(0)"), before)
    with torch.no_grad():
        first, last = (float(names["loss"](each["network"](cases[0][0]), cases[0][1])) for each in (before, names))
    assert last < first
