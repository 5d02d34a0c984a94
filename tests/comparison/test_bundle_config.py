from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from monai_cwmi.comparison.bundle_config import Bundle, find_bundle, find_loss, read_bundle, read_sections


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
    message = "has no train#dataset#data and no validate#dataset#data and no train#trainer and no validate#evaluator"
    with pytest.raises(ValueError, match=message):
        read_sections(find_bundle(tmp_path, (), {}))


def test_cases_without_an_image(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match=r"A case of the validation section has no 'image'.*'scan': 'a.png'"):
        read_sections(find_bundle(bundle.root, (), {"validate#dataset#data": [{"scan": "a.png"}]}))


def test_overrides_are_plain(tmp_path: Path, bundle: Bundle) -> None:
    assert find_bundle(bundle.root, (), {"dataset_dir": tmp_path}).overrides == {"dataset_dir": str(tmp_path)}
    with pytest.raises(ValueError, match=r"device\(type='cpu'\) is neither a path nor a number nor a text"):
        find_bundle(bundle.root, (), {"device": torch.device("cpu")})


def test_reading_changes_nothing_around_it(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    before = torch.get_rng_state()
    read_sections(bundle)
    assert torch.equal(torch.get_rng_state(), before)  # its initialize sets a seed
    assert not caplog.records


def test_files_that_a_bundle_names_are_part_of_it(tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "own.yaml").write_text("loss: {_target_: DiceLoss}\nsaver: {_target_: CheckpointSaver, save_dir: x}\n")
    (configs / "train.yaml").write_text(f"loss: '%{configs}/own.yaml::loss'\nsaver: '%{configs}/own.yaml::saver'\n")
    parser = read_bundle(find_bundle(tmp_path, (), {}), {})
    assert parser["loss"] == {"_target_": "DiceLoss"}
    assert parser["saver"]["_target_"] == "monai_cwmi.comparison.bundle_config.Silenced"


def test_the_loss_inside_of_deep_supervision() -> None:
    assert find_loss(ConfigParser({"loss": {"_target_": "DiceLoss"}})) == "loss"
    nested = {"_target_": "DeepSupervisionLoss", "loss": {"_target_": "DiceLoss"}}
    assert find_loss(ConfigParser({"loss": nested})) == "loss#loss"
    assert find_loss(ConfigParser({"loss": nested | {"loss": "@inner"}})) == "inner"
    with pytest.raises(ValueError, match="no entry 'loss'"):
        find_loss(ConfigParser({"criterion": 1}))
