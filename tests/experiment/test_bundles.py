from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose, Flip, Identity, RandFlip

from monai_cwmi.experiment.bundles import Bundle, find_bundle, find_loss, open_bundle, read_sections, with_maps

from .foreign import write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return find_bundle(write_bundle(tmp_path), (), {})


def test_the_usual_files_are_found(bundle: Bundle) -> None:
    assert bundle.name == "ring bundle"
    assert [Path(path).name for path in bundle.config_files] == ["train.yaml"]


def test_a_file_by_its_name_in_configs(bundle: Bundle) -> None:
    named = find_bundle(bundle.root, ["train.yaml", "evaluate.yaml"], {})
    assert [Path(path).name for path in named.config_files] == ["train.yaml", "evaluate.yaml"]


@pytest.mark.parametrize(
    ("folder", "files", "message"),
    [
        ("nowhere", (), "no bundle .*nowhere"),
        ("ring bundle", ("other.json",), "no config file other.json, here or in"),
        ("data", (), "has no train.json"),
    ],
)
def test_what_is_not_there(bundle: Bundle, folder: str, files: tuple[str, ...], message: str) -> None:
    with pytest.raises(FileNotFoundError, match=message):
        find_bundle(Path(bundle.root).parent / folder, files, {})


def test_sections(bundle: Bundle) -> None:
    sections = read_sections(bundle)
    names = {name: [Path(case["image"]).name for case in cases] for name, cases in sections.items()}
    assert names["training"] == [f"train_{index}_image.png" for index in range(4)]
    assert names["validation"] == ["val_0_image.png"]
    assert names["test"] == ["test_0_image.png", "test_1_image.png"]
    assert all(isinstance(case["label"], str) for case in sections["test"])


def test_a_bundle_without_lists_of_cases(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "train.yaml").write_text("train: {dataset: {_target_: Dataset}}\n")
    with pytest.raises(ValueError, match=r"has no train#dataset#data and no validate#dataset#data"):
        read_sections(find_bundle(tmp_path, (), {}))


def test_nothing_is_written_into_the_bundle(bundle: Bundle) -> None:
    workflow = open_bundle(bundle, {})
    workflow.run()
    assert {path.name for path in Path(bundle.root).iterdir()} <= {"configs", "scripts"}


def test_an_override_of_an_override(bundle: Bundle) -> None:
    changed = find_bundle(bundle.root, (), {"train#trainer#max_epochs": 7})
    assert open_bundle(changed, {}).parser["train#trainer#max_epochs"] == 7
    assert open_bundle(changed, {"train#trainer#max_epochs": 9}).parser["train#trainer#max_epochs"] == 9


def test_the_loss_inside_of_deep_supervision() -> None:
    assert find_loss(ConfigParser({"loss": {"_target_": "DiceLoss"}})) == "loss"
    nested = {"_target_": "DeepSupervisionLoss", "loss": {"_target_": "DiceLoss"}}
    assert find_loss(ConfigParser({"loss": nested})) == "loss#loss"
    with pytest.raises(ValueError, match="no entry 'loss'"):
        find_loss(ConfigParser({"criterion": 1}))


def test_maps_come_before_what_is_random() -> None:
    chain = with_maps(Compose([Compose([Identity()]), RandFlip(), Identity()]), [Flip()])
    assert [type(each).__name__ for each in chain.transforms] == ["Identity", "Flip", "RandFlip", "Identity"]
    assert [type(each).__name__ for each in with_maps(Identity(), [Flip()]).transforms] == ["Identity", "Flip"]


def test_maps_do_not_change_the_random_numbers() -> None:
    plain, mapped = Compose([RandFlip(0.5)]), with_maps(Compose([RandFlip(0.5)]), [Identity()])
    image = torch.arange(4.0)[None]
    for chain in (plain, mapped):
        chain.set_random_state(seed=1)
    assert [plain(image).tolist() for _ in range(20)] == [mapped(image).tolist() for _ in range(20)]
