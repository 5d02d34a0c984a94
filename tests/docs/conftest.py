"""A small copy of the repository, with small data in the places that pages name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from downloads import make_drive, make_snemi3d
from monai_cwmi.data.writing import picture_case, write_dataset

from .pages import ROOT

WRITTEN = shutil.ignore_patterns("models", "eval", "output", "__pycache__")
PLANE = ("myelin_sem", "neurite_em", "nuclei")
VOLUME = ("organ_ct", "tissue_mr")


@pytest.fixture(scope="session")
def pictures_dir(rings_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rings in the layout of a sample."""
    folder = tmp_path_factory.mktemp("pictures")
    sections = json.loads((rings_dir / "dataset.json").read_text())
    cases = []
    for section, (case,) in sections.items():
        image, label = (np.asarray(Image.open(rings_dir / case[key])) for key in ("image", "label"))
        cases.append(picture_case(section, section, image, label))
    write_dataset(folder, {"labels": {"0": "background", "1": "myelin", "2": "axon"}}, cases)
    return folder


@pytest.fixture(scope="session")
def scans_dir(blobs_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans of five patients and their labels, of one class."""
    folder = tmp_path_factory.mktemp("clinic")
    scan = nibabel.Nifti1Image.from_filename(next((blobs_dir / "imagesTr").iterdir()))
    label = nibabel.Nifti1Image.from_filename(next((blobs_dir / "labelsTr").iterdir()))
    for number in range(1, 6):
        arrays = {"scans": np.asarray(scan.dataobj) + number, "labels": np.asarray(label.dataobj).clip(0, 1)}
        for name, array in arrays.items():
            (folder / name).mkdir(exist_ok=True)
            path = folder / name / f"P{number}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(array.astype(np.int16), label.affine), path)
    return folder


@pytest.fixture
def repository(
    tmp_path: Path, pictures_dir: Path, blobs_dir: Path, scans_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The bundles, and beside them scans and labels of five patients, new scans, and a download of DRIVE.

    A scan, its label and a prediction lie there too. The cache of samples holds small artificial sets under their
    names. The bundle of organs has a model.
    """
    root, cache = tmp_path / "repository", tmp_path / "cache"
    shutil.copytree(ROOT / "bundles", root / "bundles", ignore=WRITTEN)
    for names, source in ((PLANE, pictures_dir), (VOLUME, blobs_dir)):
        for name in names:
            shutil.copytree(source, cache / name)
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(cache))
    shutil.copytree(scans_dir, root, dirs_exist_ok=True)
    shutil.copytree(root / "scans", root / "new_scans", ignore=shutil.ignore_patterns("P[2-5]*"))
    for name, copied in {"scan": "scans/P1", "label": "labels/P1", "scan_seg": "labels/P2"}.items():
        shutil.copy(root / f"{copied}.nii.gz", root / f"{name}.nii.gz")
    make_drive(root / "downloads" / "DRIVE", count=5, size=(40, 36))
    for bundle in (root / "bundles").iterdir():
        plane = bundle.name not in {f"{name}_segmentation" for name in VOLUME}
        shutil.copytree(pictures_dir if plane else blobs_dir, bundle / "my_dataset")
        if plane:
            shutil.copytree(pictures_dir / "imagesTs", bundle / "my_images")
        else:
            shutil.copytree(root / "new_scans", bundle / "my_scans")
    make_drive(root / "bundles" / "vessel_fundus_segmentation" / "my_download", count=5, size=(40, 36))
    make_snemi3d(root / "bundles" / "neurite_em_segmentation" / "my_download", pages=10, size=(40, 36))
    _save_model(root / "bundles" / "organ_ct_segmentation")
    return root


def _save_model(bundle: Path) -> None:
    """What a training leaves, untrained."""
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / "train.json")
    (bundle / "models").mkdir()
    network = parser.get_parsed_content("network_def")
    torch.save({"model": network.state_dict()}, bundle / "models" / "model.pt")
