from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_cwmi.data import fetch_sample, load_datalist
from wheels import fake_wheel

SLABS = {"training": [range(8, 72), range(122, 154)], "validation": [range(78, 88)], "test": [range(94, 116)]}
# Anisotropic, its third axis first in space and reversed.
AFFINE = np.array([[0, 0, -3.0, 7], [2.0, 0, 0, -5], [0, 0.5, 0, 11], [0, 0, 0, 1]])


def load(path: str) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_filename(path)


@pytest.fixture
def maps() -> dict[str, np.ndarray]:
    """A scan and two probability maps, every voxel another mixture of tissues, no two of equal probability."""
    generator = np.random.default_rng(0)
    rest, grey, white = np.moveaxis(generator.permuted(np.tile([30, 85, 140], (5, 4, 160, 1)), axis=-1), -1, 0)
    assert (rest + grey + white == 255).all()
    return {"scan": generator.integers(0, 256, (5, 4, 160)), "rest": rest, "grey": grey, "white": white}


@pytest.fixture
def folder(tmp_path: Path, maps: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a wheel with these maps becomes."""
    volumes = [nibabel.Nifti1Image(maps[name].astype(np.uint8), AFFINE) for name in ("scan", "grey", "white")]
    fake_wheel(tmp_path, "tissue_mr", [gzip.compress(volume.to_bytes()) for volume in volumes], monkeypatch)
    return fetch_sample("tissue_mr", tmp_path)


@pytest.mark.parametrize("section", SLABS)
def test_sections_are_slabs_in_their_place(folder: Path, maps: dict[str, np.ndarray], section: str) -> None:
    cases = load_datalist(folder, section)
    assert len(cases) == len(SLABS[section])
    for case, slices in zip(cases, SLABS[section], strict=True):
        image, label = load(case["image"]), load(case["label"])
        scan, rest, grey, white = (maps[name][:, :, slices] for name in ("scan", "rest", "grey", "white"))
        np.testing.assert_array_equal(image.get_fdata(), scan)
        expected = np.select([(grey > rest) & (grey > white), (white > rest) & (white > grey)], [1, 2], 0)
        np.testing.assert_array_equal(label.get_fdata(), expected)
        assert label.get_data_dtype() == image.get_data_dtype() == np.uint8
        # The first voxel of the slab lies where it lay in the template.
        for volume in (image, label):
            np.testing.assert_allclose(volume.affine[:3, :3], AFFINE[:3, :3])
            np.testing.assert_allclose(volume.affine @ [1, 2, 0, 1], AFFINE @ [1, 2, slices[0], 1])
            assert volume.header.get_xyzt_units()[0] == "mm"


def test_six_slices_are_left_out_between_sections(folder: Path) -> None:
    slabs = []
    for section in SLABS:
        for case in load_datalist(folder, section):
            volume = load(case["label"])
            start = (np.linalg.inv(AFFINE) @ volume.affine)[2, 3]
            slabs.append((start, start + volume.shape[2]))
    assert all(following[0] - slab[1] == pytest.approx(6) for slab, following in pairwise(sorted(slabs)))


def test_metadata_says_what_the_labels_are(folder: Path) -> None:
    dataset = json.loads((folder / "dataset.json").read_text())
    assert dataset["labels"] == {"0": "background", "1": "grey matter", "2": "white matter"}
    assert "not drawn by hand" in dataset["label_origin"]
    assert dataset["licence"].startswith("BSD-3-Clause")


@pytest.mark.network
def test_the_real_sample(tmp_path: Path) -> None:
    folder = fetch_sample("tissue_mr", tmp_path)
    for section, slabs in SLABS.items():
        for case, slices in zip(load_datalist(folder, section), slabs, strict=True):
            volume = load(case["image"])
            image, label = volume.get_fdata(), load(case["label"]).get_fdata()
            assert image.shape == label.shape == (197, 233, len(slices))
            # Left and right are mirror images, which is why no section is cut between them.
            np.testing.assert_array_equal(image, image[::-1])
            assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
            # MNI space: the midline is at x = 0 and the template begins 72 mm below the origin.
            np.testing.assert_allclose(volume.affine @ [98, 134, 0, 1], [0, 0, slices[0] - 72, 1])
            # Every section holds both tissues, and white matter is the brighter in T1.
            shares = [(label == tissue).mean() for tissue in (1, 2)]
            assert min(shares) > 0.04
            assert image[label == 0].mean() < image[label == 1].mean() < image[label == 2].mean()
