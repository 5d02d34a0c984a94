"""The configs of each bundle, and of a bundle that is new: complete, and of one folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from monai.bundle import ConfigParser, ReferenceResolver, verify_metadata, verify_net_in_out

import render

from .conftest import BUNDLES, NAMES, PAPER_NAMES, make_workflow, run_bundle
from .test_files import SCHEMA
from .test_training import SHORT

RUNS: list[tuple[str, ...]] = [("train.json",), ("inference.json",)]
RUNS += [("train.json", overlay) for overlay in ("evaluate.json", "multi_gpu_train.json", "fine_tune.yaml")]
PAPER_RUNS = [
    ("train.json", "paper.json"),
    ("train.json", "attention_unet.json"),
    ("inference.json", "attention_unet.json"),
]

RINGS = """
layers: [paper]
train.json, inference.json:
  dataset_dir: rings
  class_names: [background, ring, core]
metadata.json:
  name: Rings
  task: Segmentation of rings
  description: A 2D U-Net trained with the complex wavelet mutual information (CWMI) loss on rings
  data_source: made up
  image_classes: one channel of grey values
  label_classes: 'class indices: 0 background, 1 ring, 2 core'
  pred_classes: one channel of scores for each of background, ring and core
  references: []
  network_data_format:
    inputs: {image: {modality: none}}
    outputs: {pred: {num_channels: 3, channel_def: {0: background, 1: ring, 2: core}}}
"""


def read(bundle: Path, *configs: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(bundle / "configs" / name) for name in configs])
    parser.parse()
    return parser


def find_unresolved(parser: ConfigParser) -> set[str]:
    """The references that lead to no entry."""
    return {name for name in ReferenceResolver.find_refs_in_config(parser.config, id="") if name not in parser}


def find_outside(parser: ConfigParser) -> list[str]:
    """The texts that name a path outside the folder in which the bundle runs."""
    texts = [item.get_config() for item in parser.ref_resolver.items.values()]
    return [text for text in texts if isinstance(text, str) and (text.startswith(("/", "~")) or "../" in text)]


@pytest.fixture
def rings(tmp_path: Path) -> Path:
    """A new bundle, of which only its task is written."""
    (tmp_path / "ring_segmentation.yaml").write_text(RINGS)
    return render.write(tmp_path / "ring_segmentation.yaml", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_all_references_resolve(name: str) -> None:
    for configs in RUNS + (PAPER_RUNS if name in PAPER_NAMES else []):
        assert find_unresolved(read(BUNDLES / name, *configs)) == set(), configs


@pytest.mark.parametrize("name", NAMES)
def test_no_config_leads_out_of_the_folder(name: str) -> None:
    for configs in RUNS + (PAPER_RUNS if name in PAPER_NAMES else []):
        parser = read(BUNDLES / name, *configs)
        assert find_outside(parser) == []
        folders = [key for key in ("ckpt_dir", "ckpt_path", "output_dir") if key in parser]
        parser["bundle_root"] = "/somewhere"
        assert len(folders) == 2
        assert all(parser.get_parsed_content(key).startswith("/somewhere/") for key in folders)


def test_what_does_not_resolve_or_leads_out_is_noticed(rings: Path) -> None:
    overlay = {"loss": "@losses", "output_dir": "../eval", "ckpt_dir": "/models"}
    (rings / "configs" / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    parser = read(rings, "train.json", "overlay.yaml")
    assert find_unresolved(parser) == {"losses"}
    assert set(find_outside(parser)) == {"../eval", "/models"}


def test_a_new_bundle_is_complete(rings: Path) -> None:
    configs = rings / "configs"
    like = BUNDLES / PAPER_NAMES[0] / "configs"
    assert {path.name for path in configs.iterdir()} == {path.name for path in like.iterdir()}
    for names in RUNS + PAPER_RUNS:
        assert find_unresolved(read(rings, *names)) == set()
    meta = str(configs / "metadata.json")
    verify_metadata(meta_file=meta, filepath=str(SCHEMA))
    verify_net_in_out("network_def", meta_file=meta, config_file=str(configs / "train.json"), device="cpu")


@pytest.mark.slow
def test_a_new_bundle_trains_evaluates_and_predicts_in_its_folder(rings: Path, rings_dir: Path) -> None:
    shutil.copytree(rings_dir, rings / "rings")
    before = set(rings.parent.iterdir())
    size = [f"--{key}={value}" for key, value in SHORT.items()]
    run_bundle("--config_file", "configs/train.json", *size, cwd=rings)
    assert (rings / "models" / "model.pt").is_file()
    data = {"dataset_dir": str(rings / "rings")}
    make_workflow(rings, "train.json", "evaluate.json", **data, **SHORT).run()
    assert (rings / "eval" / "metrics.csv").read_text().startswith("mean_iou,")
    datalist = [{"image": str(rings / "rings" / "test_image.png")}]
    make_workflow(rings, "inference.json", workflow_type="infer", **data, datalist=datalist).run()
    assert (rings / "output" / "test_image_seg.png").is_file()
    assert set(rings.parent.iterdir()) == before
