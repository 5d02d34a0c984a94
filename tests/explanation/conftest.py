"""A small picture and a small volume, with labels and imperfect predictions."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image


def labels(*shape: int) -> np.ndarray:
    """A ball of class 1 with a core of class 2, off the middle."""
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    distance = np.linalg.norm(places - np.array(shape) * 0.4, axis=-1) / min(shape)
    return np.select([distance < 0.15, distance < 0.35], [2, 1], 0).astype(np.uint8)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """PNG files of 60 x 80 pixels; the prediction is moved by two rows and written as grey values."""
    folder = tmp_path_factory.mktemp("picture")
    label = labels(60, 80)
    image = 60 * label + np.random.default_rng(0).integers(0, 40, label.shape)
    arrays = {"image": image, "label": label, "prediction": np.array([0, 128, 255])[np.roll(label, 2, 0)]}
    paths = {name: folder / f"{name}.png" for name in arrays}
    for name, array in arrays.items():
        Image.fromarray(array.astype(np.uint8)).save(paths[name])
    return paths


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """NIfTI files of 32 x 40 x 12 voxels, whose first axis runs to the left; the prediction is moved by a voxel."""
    folder = tmp_path_factory.mktemp("volume")
    label = labels(32, 40, 12)
    image = 100 * label + np.random.default_rng(0).normal(0, 20, label.shape)
    affine = np.diag([-0.8, 0.9, 3.0, 1.0])
    arrays = {"image": image.astype(np.int16), "label": label, "prediction": np.roll(label, 1, 1)}
    paths = {name: folder / f"{name}.nii.gz" for name in arrays}
    for name, array in arrays.items():
        nibabel.save(nibabel.Nifti1Image(array, affine), paths[name])
    return paths
