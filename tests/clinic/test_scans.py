from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import HTJ2KLossless, JPEG2000Lossless, JPEGLSLossless, RLELossless

from clinic.builders import AXIAL, Series, noise, turned, write_volume
from monai_cwmi.clinic.problems import DefectError
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.sources import Source, find_sources

ORIENTATIONS = {
    "axial": AXIAL,
    "oblique": turned(20, -35, 50),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    "flipped": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "half way": turned(0, 0, 45),
}


def read(folder: Path) -> SimpleITK.Image:
    (source,), problems = find_sources(folder)
    assert not problems
    return read_scan(source)


@pytest.mark.parametrize("sign", [1, -1], ids=["along", "against"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_every_voxel_of_a_series_lies_where_its_tags_say(tmp_path: Path, name: str, sign: int) -> None:
    cosines = ORIENTATIONS[name]
    series = Series(noise(5, 6, 7), cosines, step=sign * 3.3 * np.cross(*cosines))
    series.write(tmp_path)
    image = read(tmp_path)
    assert image.GetSize() == (7, 6, 5)
    assert not image.GetMetaDataKeys()
    for index, row, column in np.ndindex(5, 6, 7):
        place = image.TransformPhysicalPointToIndex(series.place(index, row, column))
        assert image[place] == series.array[index, row, column]
        # Ten digits of a tag of 16 characters.
        np.testing.assert_allclose(
            image.TransformIndexToPhysicalPoint(place), series.place(index, row, column), atol=1e-6
        )


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_slices_are_read(tmp_path: Path, syntax: pydicom.uid.UID) -> None:
    series = Series(noise(3, 16, 20))
    for dataset in series.datasets:
        dataset.compress(
            syntax, encoding_plugin="pydicom" if syntax == RLELossless else "pyjpegls", generate_instance_uid=False
        )
    series.write(tmp_path)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(read(tmp_path)), series.array)


def test_jpeg_2000_is_read(tmp_path: Path) -> None:
    series = Series(noise(3, 16, 20))
    writer = SimpleITK.ImageFileWriter()  # pydicom has no encoder for it
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG2000")
    writer.SetFileName(str(tmp_path / "one.dcm"))
    for dataset in series.datasets:
        writer.Execute(SimpleITK.GetImageFromArray(np.frombuffer(dataset.PixelData, "<i2").reshape(1, 16, 20)))
        packed = pydicom.dcmread(tmp_path / "one.dcm")
        dataset["PixelData"] = packed["PixelData"]
        dataset.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
    assert packed.file_meta.TransferSyntaxUID == JPEG2000Lossless
    series.write(tmp_path / "packed")
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(read(tmp_path / "packed")), series.array)


def test_a_compression_that_nobody_decodes_is_named(tmp_path: Path) -> None:
    series = Series(noise(2, 8, 8))
    for dataset in series.datasets:
        dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    series.write(tmp_path)
    with pytest.raises(DefectError, match=r"cannot be read: .* \(IM000.: High-Throughput JPEG 2000"):
        read(tmp_path)


@pytest.mark.parametrize("part", [0.5, 0.97])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd", "a.dcm", "rle.dcm"])
def test_truncated_files_are_named(tmp_path: Path, name: str, part: float) -> None:
    if name.endswith(".dcm"):
        series = Series(noise(2, 40, 40))
        if name == "rle.dcm":
            for dataset in series.datasets:
                dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        path = series.write(tmp_path)[0]
    else:
        path = write_volume(tmp_path / name, noise(6, 20, 20))
        path = path.with_suffix(".raw") if name == "a.mhd" else path
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(DefectError, match=r"truncated"):
        read(tmp_path)


def test_damage_inside_a_compressed_file_is_named(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a.nii.gz", noise(6, 20, 20))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DefectError, match="cannot be read: truncated or damaged"):
        read_scan(Source(path, ("a",)))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_what_is_not_finite_stays_so(tmp_path: Path, name: str) -> None:
    array = noise(3, 4, 5).astype(np.float32)
    array[0, 1, 2], array[2, 3, 4] = np.nan, np.inf
    image = read_scan(Source(write_volume(tmp_path / name, array), ("a",)))
    np.testing.assert_array_equal(np.isfinite(SimpleITK.GetArrayFromImage(image)), np.isfinite(array))
    assert image.GetSpacing() == pytest.approx((0.7, 0.8, 2.5))


@pytest.mark.parametrize("more", [(1,), (1, 1)])
def test_what_is_not_finite_stays_so_beside_axes_of_one_voxel(tmp_path: Path, more: tuple[int, ...]) -> None:
    array = noise(3, 4, 5).T.astype(np.float32)
    array[4, 1, 2] = np.nan
    nibabel.save(nibabel.Nifti1Image(array.reshape(5, 4, 3, *more), np.eye(4)), tmp_path / "a.nii")
    image = read_scan(Source(tmp_path / "a.nii", ("a",)))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), array.T)


def test_four_dimensions_are_named_where_voxels_are_not_finite_too(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.full((5, 4, 3, 2), np.nan, np.float32), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(DefectError, match="4 dimensions instead of three"):
        read_scan(Source(tmp_path / "a.nii", ("a",)))


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_text("minutes of a meeting")
    with pytest.raises(DefectError, match=r"cannot be read: .*minutes"):
        read_scan(Source(path, ("a",)))


@pytest.mark.parametrize(
    ("shape", "is_vector", "message"),
    [
        ((4, 4, 4, 3), True, "3 values in each voxel"),
        ((2, 4, 4, 4), False, "4 dimensions instead of three"),
        ((4, 4), False, "2 dimensions instead of three"),
    ],
)
def test_what_is_no_volume_of_single_values_is_named(
    tmp_path: Path, shape: tuple[int, ...], is_vector: bool, message: str
) -> None:
    path = tmp_path / "a.nrrd"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros(shape, np.uint8), isVector=is_vector), str(path))
    with pytest.raises(DefectError, match=message):
        read_scan(Source(path, ("a",)))


def test_a_series_with_defects_is_not_read(tmp_path: Path) -> None:
    series = Series(noise(5, 4, 4))
    del series.datasets[2]
    series.write(tmp_path)
    with pytest.raises(DefectError, match=r"1 slices are missing: gaps of 5 mm among slices 2\.5 mm apart"):
        read(tmp_path)
