"""A copy of each bundle, and one trained model that the tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigWorkflow
from monai.utils import set_determinism

from monai_cwmi.data import get_bundle

BUNDLES = Path(__file__).parents[2] / "bundles"
NAMES = sorted(path.parents[1].name for path in BUNDLES.glob("*/configs/metadata.json"))
# Those like the experiments in the paper, with its protocol and its second network as overlays.
PAPER_NAMES = (
    "gland_histology_segmentation",
    "neurite_em_segmentation",
    "nuclei_microscopy_segmentation",
    "road_aerial_segmentation",
    "vessel_fundus_segmentation",
)
# What training and inference write is not part of a bundle.
WRITTEN = ("models", "eval", "output", "__pycache__")


def run_bundle(*arguments: str, cwd: Path, launcher: tuple[str, ...] = (sys.executable,)) -> str:
    """Run ``python -m monai.bundle run`` as a user does and return what it printed."""
    command = [*launcher, "-m", "monai.bundle", "run", *arguments]
    # One thread: on work this small, more of them mostly wait for each other.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def make_workflow(bundle: Path, *configs: str, workflow_type: str = "train", **overrides: Any) -> ConfigWorkflow:
    """An initialised workflow inside this process."""
    workflow = ConfigWorkflow(
        config_file=[str(bundle / "configs" / name) for name in configs],
        workflow_type=workflow_type,
        logging_file=False,
        bundle_root=str(bundle),
        **overrides,
    )
    workflow.initialize()
    return workflow


def copy_bundle(folder: Path, name: str = "myelin_sem_segmentation") -> Path:
    """A bundle as it is delivered, without what a training in it has written."""
    return get_bundle(name, folder)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A fresh copy of the myelin bundle."""
    return copy_bundle(tmp_path)


@pytest.fixture
def paper_bundle(name: str, tmp_path: Path) -> Path:
    """A fresh copy of the bundle whose name a test is given."""
    return copy_bundle(tmp_path, name)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, rings_dir: Path) -> Path:
    """A copy of the myelin bundle, trained for a moment with the plain command in the bundle's own folder."""
    folder = copy_bundle(tmp_path_factory.mktemp("trained"))
    size = ("--epochs", "2", "--steps_per_epoch", "4", "--patches_per_image", "2")
    run_bundle("--config_file", "configs/train.json", "--dataset_dir", str(rings_dir), *size, cwd=folder)
    return folder


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """Undo what a bundle's ``initialize`` sets for the whole process."""
    yield
    set_determinism(None)
