from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from monai.transforms import LoadImage

from clinic.builders import AXIAL, Series, noise, turned
from monai_cwmi.clinic.reader import ScanReader


def load(path: Any) -> Any:
    return LoadImage(reader=ScanReader, ensure_channel_first=True)(path)


def volume(*direction: float) -> SimpleITK.Image:
    """A volume of 5 x 6 x 7 voxels of 0.5 x 1.5 x 3 mm, along these direction cosines."""
    array = np.random.default_rng(0).integers(0, 255, (7, 6, 5), np.uint8)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((0.5, 1.5, 3))
    image.SetOrigin((10, -20, 30))
    image.SetDirection(direction)
    return image


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 0.6, 0.8, 1, 0, 0, 0, 0.8, -0.6)])
def test_voxels_keep_their_place(tmp_path: Path, suffix: str, direction: tuple[float, ...]) -> None:
    image = volume(*direction)
    SimpleITK.WriteImage(image, str(tmp_path / f"a{suffix}"))
    loaded = load(tmp_path / f"a{suffix}")
    assert loaded.shape == (1, 5, 6, 7)
    for index in ((0, 0, 0), (4, 0, 0), (1, 5, 2), (3, 2, 6)):
        assert loaded[0][index] == image[index]
        # ITK's axes run to the left and back, those of NIfTI to the right and front.
        place = np.array([-1, -1, 1]) * image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((loaded.affine.numpy() @ [*index, 1])[:3], place, atol=1e-4)


@pytest.mark.parametrize("sign", [1, -1], ids=["along", "against"])
@pytest.mark.parametrize("cosines", [AXIAL, turned(20, -15, 40), turned(90, 0, 0)], ids=["axial", "oblique", "coronal"])
def test_voxels_of_a_series_lie_where_its_tags_say(tmp_path: Path, cosines: Any, sign: int) -> None:
    series = Series(noise(5, 6, 7), cosines, step=sign * 3.3 * np.cross(*cosines))
    series.write(tmp_path / "1.2.840.7")
    loaded = load(tmp_path / "1.2.840.7")
    assert loaded.shape == (1, 7, 6, 5)
    for index in np.ndindex(5, 6, 7):
        place = [*(np.array([-1, -1, 1]) * series.place(*index)), 1]
        x, y, z, _ = np.linalg.solve(loaded.affine.numpy(), place).round(4)
        assert loaded[0, round(x), round(y), round(z)] == series.array[index]


def test_several_files_are_channels(tmp_path: Path) -> None:
    image = volume(1, 0, 0, 0, 1, 0, 0, 0, 1)
    SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"))
    SimpleITK.WriteImage(255 - image, str(tmp_path / "b.nii.gz"))
    loaded = load([tmp_path / "a.nrrd", tmp_path / "b.nii.gz"])
    assert loaded.shape == (2, 5, 6, 7)
    assert (loaded.sum(0) == 255).all()
    assert loaded.meta["filename_or_obj"] == str(tmp_path / "a.nrrd")


@pytest.mark.parametrize("shape", [(5, 6, 7, 2), (5, 6, 7, 1), (5, 6)])
def test_nifti_of_other_dimensions_is_as_in_monai(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-0.5, 1.5, 3, 1])), tmp_path / "a.nii")
    expected = LoadImage(reader="NibabelReader", ensure_channel_first=True)(tmp_path / "a.nii")
    loaded = load(tmp_path / "a.nii")
    assert loaded.shape == expected.shape
    np.testing.assert_array_equal(loaded, expected)
    np.testing.assert_array_equal(loaded.affine, expected.affine)


def test_two_series_in_a_folder_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        Series(noise(3, 4, 4)).write(tmp_path, f".{number}.dcm")
    with pytest.raises(ValueError, match="holds 2 DICOM series instead of one"):
        load(tmp_path)


def test_a_missing_slice_is_noticed(tmp_path: Path) -> None:
    Series(noise(6, 4, 4)).write(tmp_path)[3].unlink()
    with pytest.raises(ValueError, match="slice"):
        load(tmp_path)


def test_a_picture_is_no_scan(tmp_path: Path) -> None:
    SimpleITK.WriteImage(volume(1, 0, 0, 0, 1, 0, 0, 0, 1)[:, :, 0], str(tmp_path / "a.mha"))
    with pytest.raises(ValueError, match="2 dimensions instead of three"):
        load(tmp_path / "a.mha")
