"""A small copy of the repository, with small data in the places that pages name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest

from downloads import make_drive, make_snemi3d

from .pages import ROOT

WRITTEN = shutil.ignore_patterns("models", "eval", "output", "__pycache__")
PLANE = ("myelin_sem", "neurite_em", "nuclei")
VOLUME = ("organ_ct", "tissue_mr")


@pytest.fixture
def repository(tmp_path: Path, rings_dir: Path, blobs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The bundles, and beside them scans and labels of five patients, new scans, and a download of DRIVE.

    The cache of samples holds small artificial sets under their names.
    """
    root, cache = tmp_path / "repository", tmp_path / "cache"
    shutil.copytree(ROOT / "bundles", root / "bundles", ignore=WRITTEN)
    for names, source in ((PLANE, rings_dir), (VOLUME, blobs_dir)):
        for name in names:
            shutil.copytree(source, cache / name)
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(cache))
    scan = next((blobs_dir / "imagesTr").iterdir())
    label = nibabel.load(blobs_dir / "labelsTr" / scan.name.replace("image", "label"))
    for number in range(1, 6):
        for folder, array in (("scans", np.asarray(nibabel.load(scan).dataobj) + number), ("labels", label.dataobj)):
            path = root / folder / f"P{number}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            values = np.minimum(np.asarray(array), 1) if folder == "labels" else array
            nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), label.affine), path)
    shutil.copytree(root / "scans", root / "new_scans", ignore=shutil.ignore_patterns("P[2-5]*"))
    make_drive(root / "downloads" / "DRIVE", count=5, size=(40, 36))
    for bundle in (root / "bundles").iterdir():
        plane = bundle.name not in {f"{name}_segmentation" for name in VOLUME}
        shutil.copytree(rings_dir if plane else blobs_dir, bundle / "my_dataset")
        if plane:
            (bundle / "my_images").mkdir()
            shutil.copy(rings_dir / "test_image.png", bundle / "my_images")
        else:
            shutil.copytree(root / "new_scans", bundle / "my_scans")
    make_drive(root / "bundles" / "vessel_fundus_segmentation" / "my_download", count=5, size=(40, 36))
    make_snemi3d(root / "bundles" / "neurite_em_segmentation" / "my_snemi3d", pages=10, size=(40, 36))
    yield root
