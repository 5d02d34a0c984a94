from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from monai.networks.nets import UNet
from torch import nn

from monai_cwmi.training import describe_model, freeze, load_pretrained


def make_network(classes: int, channels: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, classes, 1))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save(make_network(3).state_dict(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


@pytest.mark.parametrize("key", [None, "model"])
def test_all_but_the_head_is_loaded(checkpoint: Path, key: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    weights = torch.load(checkpoint, weights_only=True)
    if key:
        torch.save({key: weights}, checkpoint)
    network = make_network(2)
    head = {name: value.clone() for name, value in network.state_dict().items() if name.startswith("2.")}
    assert load_pretrained(network, checkpoint) is network
    for name, value in network.state_dict().items():
        assert torch.equal(value, head[name] if name in head else weights[name])
    lines = capsys.readouterr().out.splitlines()
    # 36 + 4 of the first convolution, 4 * 4 + 1 of the norm; 8 + 2 of the head
    assert lines[0] == f"Loaded 7 of 9 tensors, {57 / 67:.1%} of all values, from {checkpoint}."
    assert sorted(lines[1:]) == [
        "  not loaded, starts anew: 2.bias, (2,) here, (3,) in the checkpoint",
        "  not loaded, starts anew: 2.weight, (2, 4, 1, 1) here, (3, 4, 1, 1) in the checkpoint",
    ]


def test_names_on_one_side_only_are_printed(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = torch.load(checkpoint, weights_only=True)
    weights["ema"] = weights.pop("1.bias")
    torch.save(weights, checkpoint)
    load_pretrained(make_network(3), checkpoint)
    printed = capsys.readouterr().out
    assert "not loaded, starts anew: 1.bias, (4,) here, not in the checkpoint" in printed
    assert "in the checkpoint only: ema" in printed


def test_a_whole_checkpoint_gives_the_same_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = (UNet(2, 1, 3, (4, 8), (2,)).eval() for _ in range(2))
    torch.save(source.state_dict(), tmp_path / "model.pt")
    image = torch.rand(1, 1, 16, 16)
    assert not torch.equal(target(image), source(image))
    load_pretrained(target, tmp_path / "model.pt")
    assert torch.equal(target(image), source(image))
    assert "100.0% of all values" in capsys.readouterr().out


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pt does not exist"):
        load_pretrained(make_network(2), tmp_path / "nowhere.pt")


def test_a_checkpoint_of_another_network_is_an_error(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 3).state_dict(), tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"Nothing in .*other\.pt fits the network.*another network"):
        load_pretrained(make_network(2), tmp_path / "other.pt")


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "empty.pt").touch()
    torch.save(make_network(2), tmp_path / "pickled.pt")  # code, which a safe load refuses
    torch.jit.save(torch.jit.script(make_network(2)), tmp_path / "script.pt")
    for name in ("text", "empty", "pickled", "script"):
        with pytest.raises(ValueError, match=rf"{name}\.pt cannot be read as a file of weights"):
            load_pretrained(make_network(2), tmp_path / f"{name}.pt")
    for content in ([1, 2], {"epoch": 3}, {"model": 1}):
        torch.save(content, tmp_path / "other.pt")
        with pytest.raises(ValueError, match=r"other\.pt holds no state_dict"):
            load_pretrained(make_network(2), tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("patterns", "frozen"),
    [
        ([], []),
        ("weight", ["0.weight", "1.weight", "2.weight"]),
        (["^0", r"^1\."], ["0.weight", "0.bias", "1.weight", "1.bias"]),
    ],
)
def test_patterns_freeze_parameters(patterns: Any, frozen: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    network = make_network(2)
    assert freeze(network, patterns) is network
    assert [name for name, value in network.named_parameters() if not value.requires_grad] == frozen
    expected = f"Frozen {len(frozen)} of 6 parameters: {', '.join(frozen)}\n" if frozen else ""
    assert capsys.readouterr().out == expected


def test_a_pattern_without_a_match_is_named() -> None:
    with pytest.raises(ValueError, match=r"'encoder' is found in none of the parameters 0\.weight, 0\.bias"):
        freeze(make_network(2), ["^0", "encoder"])


def test_something_must_be_left_to_train() -> None:
    with pytest.raises(ValueError, match="leaves no parameter to train"):
        freeze(make_network(2), ["."])


@pytest.mark.parametrize("place", ["root/models/heart", "it's elsewhere"])
def test_the_description_is_an_overlay(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / place
    describe_model(folder, bundle_root="root", dataset_dir="data", in_channels=2, class_names=["a", "b"])
    (tmp_path / "train.json").write_text(
        json.dumps({"bundle_root": str(tmp_path / "root"), "network_def": {"in_channels": 1, "depth": 3}})
    )
    parser = ConfigParser(ConfigParser.load_config_files([tmp_path / "train.json", folder / "model.json"]))
    assert Path(parser.get_parsed_content("ckpt_path")).parent.resolve() == folder
    assert Path(parser.get_parsed_content("ckpt_path")).name == "model.pt"
    assert parser.get_parsed_content("class_names") == ["a", "b"]
    assert parser.get_parsed_content("dataset_dir") == str(tmp_path / "data")
    assert parser.get_parsed_content("network_def") == {"in_channels": 2, "depth": 3}
