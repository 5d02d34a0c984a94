"""What the bundles for volumes make of labels that lie on another grid than their scans, or on none of the classes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from .conftest import copy_bundle, make_workflow
from .test_fine_tuning import FINE_TUNE, VOLUMES, options
from .test_training import causes

CODES = [0, 40, 7]


def rewrite(path: Path, change: Callable[[nibabel.Nifti1Image], nibabel.Nifti1Image]) -> None:
    label = nibabel.Nifti1Image.from_bytes(nibabel.Nifti1Image.from_filename(path).to_bytes())
    nibabel.save(change(label), path)


def turned(label: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    """The same label with its axes in another order and direction."""
    return label.as_reoriented(np.array([[2, 1], [0, -1], [1, -1]]))


def shortened(label: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image(np.asarray(label.dataobj)[..., :-1], label.affine)


def with_another_class(label: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    array = np.asarray(label.dataobj).copy()
    array[0, 0, 0] = 7
    return nibabel.Nifti1Image(array, label.affine)


def recoded(label: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image(np.array(CODES, np.uint8)[np.asarray(label.dataobj).astype(int)], label.affine)


def by_intensity(bundle: Path) -> dict[str, Any]:
    """Options that put a network in place of the bundle's that finds the classes by their intensities."""
    centres, dimensions = torch.tensor([0.2, 0.5, 0.8]), len(options(bundle)["patch_size"])
    weights = {"weight": 2 * centres.view(3, 1, *[1] * dimensions), "bias": -(centres**2)}
    (bundle / "models").mkdir()
    torch.save(weights, bundle / "models" / "model.pt")
    network = {"_target_": f"torch.nn.Conv{dimensions}d", "in_channels": 1, "out_channels": 3, "kernel_size": 1}
    return {"network_def": network}


@pytest.mark.parametrize("name", VOLUMES)
def test_turned_labels_are_turned_back(name: str, blobs_dir: Path, tmp_path: Path) -> None:
    bundle, data = copy_bundle(tmp_path, name), Path(shutil.copytree(blobs_dir, tmp_path / "turned"))
    rewrite(data / "labelsTs" / "test_0.nii.gz", turned)
    entries = {"patch_size": options(bundle)["patch_size"]} | by_intensity(bundle)
    metrics = []
    for folder in (blobs_dir, data):
        make_workflow(bundle, "train.json", "evaluate.json", dataset_dir=str(folder), **entries).run()
        metrics.append((bundle / "eval" / "metrics.csv").read_text())
    assert metrics[0] == metrics[1]
    assert float(re.findall(r"dice_background\W+(\S+)", metrics[0])[0]) > 0.8


@pytest.mark.parametrize("change", [turned, recoded], ids=["turned", "recoded"])
@pytest.mark.parametrize("name", VOLUMES)
def test_inference_draws_the_label_where_the_scan_has_it(
    name: str, change: Callable[[Any], Any], blobs_dir: Path, tmp_path: Path
) -> None:
    bundle, data = copy_bundle(tmp_path, name), Path(shutil.copytree(blobs_dir, tmp_path / "data"))
    rewrite(data / "labelsTs" / "test_0.nii.gz", change)
    entries = {"patch_size": options(bundle)["patch_size"]} | by_intensity(bundle)
    pictures = []
    for folder in (blobs_dir, data):
        values = CODES if change is recoded and folder is data else None
        more = entries | {"dataset_dir": str(folder), "label_values": values}
        make_workflow(bundle, "inference.json", workflow_type="infer", **more).run()
        pictures.append(np.asarray(Image.open(bundle / "output" / "test_0_pred.png")))
    np.testing.assert_array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("name", VOLUMES)
def test_the_values_of_the_files_are_classes(name: str, blobs_dir: Path, tmp_path: Path) -> None:
    bundle, data = copy_bundle(tmp_path, name), Path(shutil.copytree(blobs_dir, tmp_path / "data"))
    for path in data.glob("labels*/*.nii.gz"):
        rewrite(path, recoded)
    entries = {"patch_size": options(bundle)["patch_size"]} | by_intensity(bundle)
    metrics = []
    for folder, values in ((blobs_dir, None), (data, CODES), (data, dict(zip(CODES, (0, 1, 2), strict=True)))):
        more = entries | {"dataset_dir": str(folder), "label_values": values}
        make_workflow(bundle, "train.json", "evaluate.json", **more).run()
        metrics.append((bundle / "eval" / "metrics.csv").read_text())
    assert metrics[0] == metrics[1] == metrics[2]
    with pytest.raises(RuntimeError) as error:
        make_workflow(bundle, *FINE_TUNE, **options(bundle, dataset_dir=str(data), label_values=[0, 40])).run()
    problem = r"training_\d\.nii\.gz does not fit: it holds 7, for which label_values"
    assert any(re.search(problem, text) for text in causes(error.value))


@pytest.mark.parametrize(
    ("change", "problem"), [(shortened, r"\(44, 40, 35\) voxels"), (with_another_class, "from 0 to 7")]
)
@pytest.mark.parametrize("name", VOLUMES)
def test_labels_that_do_not_fit_are_named(
    name: str, change: Callable[[Any], Any], problem: str, blobs_dir: Path, tmp_path: Path
) -> None:
    bundle, data = copy_bundle(tmp_path, name), Path(shutil.copytree(blobs_dir, tmp_path / "data"))
    rewrite(data / "labelsTr" / "training_1.nii.gz", change)
    with pytest.raises(RuntimeError) as error:
        make_workflow(bundle, *FINE_TUNE, **options(bundle, dataset_dir=str(data))).run()
    assert any(re.search(rf"training_1\.nii\.gz does not fit: .*{problem}", text) for text in causes(error.value))
