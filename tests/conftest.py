"""What several test folders use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

import monai_cwmi.bands.table_cache
from monai_cwmi.bands.table_cache import TableCache
from monai_cwmi.data import fetch_sample


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """On work this small, several threads mostly wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> TableCache:
    """A cache of tables that no other test has filled, with the limits of the real one."""
    real = monai_cwmi.bands.table_cache._cache
    cache = TableCache(real.max_bytes, real.max_idle)
    monkeypatch.setattr(monai_cwmi.bands.table_cache, "_cache", cache)
    return cache


@pytest.fixture(scope="session")
def myelin_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory with the real myelin sample, downloaded once in a test run."""
    cache = tmp_path_factory.mktemp("cache")
    fetch_sample("myelin_sem", cache)
    return cache


@pytest.fixture(scope="session")
def rings_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small artificial data set of rings around discs, whose images are not square."""
    folder = tmp_path_factory.mktemp("rings")
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:140, :100]
    dataset: dict[str, list[dict[str, str]]] = {}
    for section in ("training", "validation", "test"):
        label = np.zeros((140, 100), np.uint8)
        for row, column, radius in generator.uniform((10, 10, 8), (130, 90, 16), (12, 3)):
            distance = np.hypot(rows - row, columns - column)
            label[distance < radius] = 1
            label[distance < 0.6 * radius] = 2
        image = np.array([110, 200, 20])[label] + generator.normal(0, 8, label.shape)
        dataset[section] = [{"image": f"{section}_image.png", "label": f"{section}_label.png"}]
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{section}_image.png")
        Image.fromarray(label).save(folder / f"{section}_label.png")
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder


@pytest.fixture(scope="session")
def blobs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small artificial data set of balls with a core, on an anisotropic grid whose first axis runs to the left."""
    folder = tmp_path_factory.mktemp("blobs")
    generator = np.random.default_rng(0)
    spacing, shape = np.array([1.0, 1.25, 1.5]), (44, 40, 36)
    affine = np.diag([-1.0, 1.25, 1.5, 1.0])
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) * spacing
    dataset: dict[str, Any] = {"labels": {"0": "background", "1": "shell", "2": "core"}}
    for section, suffix, count in (("training", "Tr", 2), ("validation", "Tr", 1), ("test", "Ts", 1)):
        dataset[section] = []
        for number in range(count):
            label = np.zeros(shape, np.uint8)
            for *centre, radius in generator.uniform((8, 8, 8, 8), (36, 40, 46, 12), (4, 4)):
                distance = np.linalg.norm(places - centre, axis=-1)
                label[distance < radius] = 1
                label[distance < 0.6 * radius] = 2
            image = np.array([-80, 50, 150])[label] + generator.normal(0, 10, shape)
            affine[:3, 3] = generator.uniform(-100, 100, 3).round(1)
            case = {}
            for key, array in {"image": image.astype(np.int16), "label": label}.items():
                case[key] = f"{key}s{suffix}/{section}_{number}.nii.gz"
                (folder / case[key]).parent.mkdir(exist_ok=True)
                nibabel.save(nibabel.Nifti1Image(array, affine), folder / case[key])
            dataset[section].append(case)
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder
