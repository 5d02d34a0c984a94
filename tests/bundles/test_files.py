"""What a bundle's folder holds, and what MONAI's own checks say of it."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
import torch
from monai.bundle import ckpt_export, verify_metadata, verify_net_in_out

from .conftest import SOURCE, make_workflow

SCHEMA = Path(__file__).with_name("metadata_schema.json")


def test_the_folder_is_complete() -> None:
    configs = ("metadata.json", "logging.conf", "train.json", "evaluate.json", "inference.json", "multi_gpu_train.json")
    files = {f"configs/{name}" for name in configs} | {"LICENSE", "docs/README.md", "docs/data_license.txt"}
    found = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    # What training and inference make is not part of the bundle.
    assert {path for path in found if path.split("/")[0] not in ("models", "eval", "output")} == files
    assert (SOURCE / "LICENSE").read_bytes() == (SOURCE.parents[1] / "LICENSE").read_bytes()


def test_metadata_has_the_required_keys() -> None:
    # MONAI does not download the schema when the file is there already.
    verify_metadata(meta_file=str(SOURCE / "configs" / "metadata.json"), filepath=str(SCHEMA))


@pytest.mark.parametrize("key", ["task", "numpy_version"])
def test_a_missing_key_is_noticed(key: str, bundle: Path) -> None:
    path = bundle / "configs" / "metadata.json"
    content = json.loads(path.read_text())
    del content[key]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"'{key}' is a required property"):
        verify_metadata(meta_file=str(path), filepath=str(SCHEMA))


def test_the_version_is_in_the_changelog() -> None:
    content = json.loads((SOURCE / "configs" / "metadata.json").read_text())
    assert content["version"] in content["changelog"]


def test_required_packages_exist() -> None:
    content = json.loads((SOURCE / "configs" / "metadata.json").read_text())
    for package in content["required_packages_version"]:
        assert metadata.version(package)


@pytest.mark.parametrize("config", ["train", "inference"])
@pytest.mark.parametrize("n", [1, 3])
def test_the_network_fits_the_metadata(config: str, n: int) -> None:
    configs = SOURCE / "configs"
    meta, file = str(configs / "metadata.json"), str(configs / f"{config}.json")
    verify_net_in_out("network_def", meta_file=meta, config_file=file, device="cpu", n=n)


def test_the_trained_network_is_exported(trained: Path, tmp_path: Path) -> None:
    configs = trained / "configs"
    ckpt_export(
        "network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(trained / "models" / "model.pt"),
        meta_file=str(configs / "metadata.json"),
        config_file=str(configs / "inference.json"),
    )
    network = make_workflow(trained, "inference.json", workflow_type="infer", device=torch.device("cpu")).network_def
    network.load_state_dict(torch.load(trained / "models" / "model.pt", weights_only=True))
    image = torch.randn(1, 1, 64, 48)
    with torch.no_grad():
        expected = network.eval()(image)
        torch.testing.assert_close(torch.jit.load(tmp_path / "model.ts")(image), expected)


def test_required_properties_are_there(bundle: Path, rings_dir: Path) -> None:
    data = {"dataset_dir": str(rings_dir)}
    assert make_workflow(bundle, "train.json", **data).check_properties() == []
    assert make_workflow(bundle, "train.json", "evaluate.json", **data).check_properties() == []
    infer = make_workflow(bundle, "inference.json", workflow_type="infer", image_dir=str(rings_dir), **data)
    assert infer.check_properties() == []
