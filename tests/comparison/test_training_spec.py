from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_cwmi.comparison.bundle_config import Bundle
from monai_cwmi.comparison.training_spec import Training

TRAINING = Training(
    loss="Skea-topo \u03b1",
    fold=1,
    seed=3,
    bundle=Bundle("root", ["train.json"], {"epochs": 5}),
    loss_id="loss#loss",
    loss_config={"_target_": "DiceLoss", "softmax": True},
    maps=[{"_target_": "Map", "keys": "label"}],
    starts={"lambda_mi": 0.5},
    sections={name: [{"image": f"{name}.png"}] for name in ("training", "validation", "test")},
    foreground=1,
    component_value=0,
    threads=2,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    TRAINING.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cell.json"]
    assert Training.read(tmp_path) == TRAINING


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "JSONDecodeError"),
        (None, "JSONDecodeError"),  # the first half of the file
        ("[1, 2]", "TypeError"),
        ("{}", "KeyError: 'bundle'"),
        ('{"bundle": {"root": "root"}}', "missing 2 required .*'config_files' and 'overrides'"),
        ('{"bundle": {"root": "", "config_files": [], "overrides": {}}}', "missing 11 required"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    TRAINING.write(tmp_path)
    path = tmp_path / "cell.json"
    path.write_text(path.read_text()[:200] if text is None else text)
    with pytest.raises(ValueError, match=f"cell.json does not describe a training .*{message}.*Repeat the command"):
        Training.read(tmp_path)


def test_an_entry_that_no_training_has(tmp_path: Path) -> None:
    TRAINING.write(tmp_path)
    path = tmp_path / "cell.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"folds": 3}))
    with pytest.raises(ValueError, match=r"cell\.json does not describe a training .*'folds'"):
        Training.read(tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cell\.json does not describe a training \(FileNotFoundError"):
        Training.read(tmp_path)
