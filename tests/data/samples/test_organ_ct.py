from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_cwmi.data import fetch_sample, load_datalist
from wheels import fake_wheel

SLABS = {"training": [range(0, 48), range(96, 128)], "validation": [range(52, 64)], "test": [range(68, 92)]}
# Of the format MRC2014: the numbers of its element types.
MODES = {"float32": 2, "uint16": 6}


def mrc(array: np.ndarray) -> bytes:
    """An array as an MRC file, its last axis the fastest."""
    header = np.zeros(256, "<i4")
    header[:4] = *array.shape[::-1], MODES[array.dtype.name]
    header[7:10] = array.shape[::-1]
    header.view("<f4")[13:16] = 90  # right angles, and no size of the cell
    header[16:19] = 1, 2, 3
    header[52:54] = np.frombuffer(b"MAP DD\0\0", "<i4")
    return header.tobytes() + array.astype(array.dtype.newbyteorder("<")).tobytes()


@pytest.fixture
def volumes() -> dict[str, np.ndarray]:
    """A scan in eighths of Hounsfield units and its labels, axes to the left, to the back and to the head."""
    generator = np.random.default_rng(0)
    image = generator.integers(-8000, 8000, (5, 4, 128)) / 8
    return {"image": image.astype(np.float32), "label": generator.integers(0, 3, (5, 4, 128)).astype(np.uint16)}


@pytest.fixture
def folder(tmp_path: Path, volumes: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a wheel with these volumes becomes."""
    fake_wheel(tmp_path, "organ_ct", [mrc(volumes["image"]), mrc(volumes["label"])], monkeypatch)
    return fetch_sample("organ_ct", tmp_path)


@pytest.mark.parametrize("section", SLABS)
def test_sections_are_slabs_in_their_place(folder: Path, volumes: dict[str, np.ndarray], section: str) -> None:
    for case, slices in zip(load_datalist(folder, section), SLABS[section], strict=True):
        for key, dtype in {"image": np.float32, "label": np.uint8}.items():
            volume = nibabel.Nifti1Image.from_filename(case[key])
            np.testing.assert_array_equal(volume.get_fdata(), volumes[key][:, :, slices])
            assert volume.get_data_dtype() == dtype
            # Patients' left is -x and their back is -y in NIfTI's space.
            np.testing.assert_allclose(volume.affine @ [1, 2, 0, 1], [-1.5, -3.0, 1.5 * slices[0], 1.0], atol=1e-5)
            np.testing.assert_allclose(volume.affine[:3, :3], np.diag([-1.5, -1.5, 1.5]), atol=1e-6)
            assert volume.header.get_xyzt_units()[0] == "mm"


def test_sections_are_apart() -> None:
    slabs = sorted((slices[0], slices[-1]) for part in SLABS.values() for slices in part)
    assert all(following[0] - slab[1] > 4 for slab, following in pairwise(slabs))


def test_metadata_says_what_is_not_known(folder: Path) -> None:
    dataset = json.loads((folder / "dataset.json").read_text())
    assert dataset["labels"] == {"0": "background", "1": "liver", "2": "lesion"}
    assert dataset["label_origin"].startswith("not stated by the package")
    assert dataset["spacing_origin"].startswith("not stated by the package")
    assert dataset["licence"].startswith("MIT")


@pytest.mark.network
def test_the_real_sample(tmp_path: Path) -> None:
    folder = fetch_sample("organ_ct", tmp_path)
    for section, slabs in SLABS.items():
        for case, slices in zip(load_datalist(folder, section), slabs, strict=True):
            volume = nibabel.Nifti1Image.from_filename(case["image"])
            image, label = volume.get_fdata(), nibabel.Nifti1Image.from_filename(case["label"]).get_fdata()
            assert image.shape == label.shape == (128, 128, len(slices))
            assert nibabel.aff2axcodes(volume.affine) == ("L", "P", "S")
            # In Hounsfield units: lesions take up less contrast medium than the liver.
            assert 50 < np.median(image[label == 2]) < np.median(image[label == 1]) < 150
            # Nearer to the patient's right and front than the liver there is not much bone.
            places = {
                name: np.argwhere(mask).mean(0) for name, mask in {"liver": label > 0, "bone": image > 300}.items()
            }
            assert (places["liver"] < places["bone"])[:2].all()
            assert min(np.count_nonzero(label == index) for index in (1, 2)) > 4000
