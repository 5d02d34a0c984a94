"""What each bundle's folder holds, and what MONAI's own checks say of it."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ckpt_export, verify_metadata, verify_net_in_out

from .conftest import BUNDLES, NAMES, PAPER_NAMES, WRITTEN, copy_bundle, make_workflow

SCHEMA = Path(__file__).with_name("metadata_schema.json")
CONFIGS = ("logging.conf", *(f"{name}.json" for name in ("metadata", "train", "evaluate", "inference")))
OVERLAYS = ("multi_gpu_train.json", "fine_tune.yaml", "mlflow.json")
PAPER_OVERLAYS = ("paper.json", "attention_unet.json")


@pytest.fixture(params=NAMES)
def source(request: pytest.FixtureRequest) -> Path:
    """Each bundle in turn, where it is delivered."""
    return BUNDLES / request.param


@pytest.fixture
def copied(source: Path, tmp_path: Path) -> Path:
    """A copy of each bundle in turn."""
    return copy_bundle(tmp_path, source.name)


@pytest.fixture
def data(source: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Arguments that give a bundle small artificial data of its kind."""
    two_dimensional = read_metadata(source)["data_type"] == "png"
    folder = request.getfixturevalue("rings_dir" if two_dimensional else "blobs_dir")
    return {"dataset_dir": str(folder)}


def read_metadata(bundle: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle / "configs" / "metadata.json").read_text())
    return content


def test_the_folder_is_complete(source: Path) -> None:
    files = {f"configs/{name}" for name in (*CONFIGS, *OVERLAYS)}
    files |= {f"configs/{name}" for name in PAPER_OVERLAYS if source.name in PAPER_NAMES}
    files |= {"LICENSE", "docs/README.md", "docs/data_license.txt"}
    found = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    delivered = {path for path in found if path.split("/")[0] not in WRITTEN}
    assert delivered == files
    assert (source / "LICENSE").read_bytes() == (BUNDLES.parent / "LICENSE").read_bytes()


def test_metadata_has_the_required_keys(source: Path) -> None:
    # MONAI does not download the schema when the file is there already.
    verify_metadata(meta_file=str(source / "configs" / "metadata.json"), filepath=str(SCHEMA))


@pytest.mark.parametrize("key", ["task", "numpy_version"])
def test_a_missing_key_is_noticed(key: str, bundle: Path) -> None:
    path = bundle / "configs" / "metadata.json"
    content = read_metadata(bundle)
    del content[key]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"'{key}' is a required property"):
        verify_metadata(meta_file=str(path), filepath=str(SCHEMA))


def test_the_version_is_in_the_changelog(source: Path) -> None:
    content = read_metadata(source)
    assert content["version"] in content["changelog"]


def test_required_packages_exist(source: Path) -> None:
    for package in read_metadata(source)["required_packages_version"]:
        assert metadata.version(package)


@pytest.mark.parametrize("config", ["train", "inference"])
@pytest.mark.parametrize("n", [1, 3])
def test_the_network_fits_the_metadata(source: Path, config: str, n: int) -> None:
    configs = source / "configs"
    meta, file = str(configs / "metadata.json"), str(configs / f"{config}.json")
    verify_net_in_out("network_def", meta_file=meta, config_file=file, device="cpu", n=n)


def test_training_and_inference_have_one_network(copied: Path, data: dict[str, Any]) -> None:
    train = make_workflow(copied, "train.json", **data).parser.get("network_def")
    infer = make_workflow(copied, "inference.json", workflow_type="infer", **data).parser.get("network_def")
    assert train == infer


@pytest.mark.slow
def test_the_trained_network_is_exported(copied: Path, data: dict[str, Any], tmp_path: Path) -> None:
    network = make_workflow(copied, "inference.json", workflow_type="infer", **data).network_def.cpu().eval()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    ckpt_export(
        "network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(tmp_path / "model.pt"),
        meta_file=str(copied / "configs" / "metadata.json"),
        config_file=str(copied / "configs" / "inference.json"),
    )
    content = read_metadata(copied)["network_data_format"]["inputs"]["image"]
    image = torch.randn(1, content["num_channels"], *(64, 32, 64)[: len(content["spatial_shape"])])
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.load(tmp_path / "model.ts")(image), network(image))


def test_required_properties_are_there(copied: Path, data: dict[str, Any]) -> None:
    data["class_names"] = ["background", "ring", "core"]  # of the artificial data
    assert make_workflow(copied, "train.json", **data).check_properties() == []
    assert make_workflow(copied, "train.json", "evaluate.json", **data).check_properties() == []
    datalist = [{"image": "scan"}]
    infer = make_workflow(copied, "inference.json", workflow_type="infer", datalist=datalist, **data)
    assert infer.check_properties() == []
