"""NIfTI as it is read for training and for use; the oracle is the reader that MONAI has for it."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from monai.transforms import LoadImage

from clinic.builders import block, noise, turned
from monai_cwmi.clinic import prepare_dataset
from monai_cwmi.clinic.nifti import load_nifti, write_nifti
from monai_cwmi.clinic.problems import DefectError
from monai_cwmi.clinic.reader import ScanReader
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.sources import Source

SHAPE = (9, 8, 7)
# Where fields of the header begin, by the standard of NIfTI-1.
FIELDS = {"pixdim[0]": 76, "pixdim[3]": 88, "scl_slope": 112, "scl_inter": 116, "units": 123}
FIELDS |= {"qform_code": 252, "sform_code": 254, "srow_z[2]": 320, "magic": 344}


def affine(angle: float = 0.0, shear: float = 0.0) -> np.ndarray:
    cosines = np.asarray(turned(angle, -2 * angle, angle))
    made = np.eye(4)
    made[:3, :3] = np.column_stack([*cosines, np.cross(*cosines)]) * (0.7, 0.8, 2.5)
    made[:3, 1] += shear * 0.8 * cosines[0]
    made[:3, 3] = 11, -7, 30
    return made


def write(
    path: Path,
    *,
    sform: np.ndarray | None = None,
    qform: np.ndarray | None = None,
    codes: tuple[int, int] = (1, 1),
    array: np.ndarray | None = None,
    kind: Any = nibabel.Nifti1Image,
    **fields: Any,
) -> Path:
    """Write a file with these forms and, past all that nibabel checks, these fields of the header."""
    made = kind(noise(*SHAPE) if array is None else array, sform if qform is None else qform)
    made.set_qform(qform, codes[0] if qform is not None else 0)
    if sform is None:
        made.set_sform(None, 0)
    else:
        made.set_sform(sform, codes[1])  # leaves pixdim alone
    content = bytearray(made.to_bytes())
    for name, value in fields.items():
        size = {"units": "<B", "qform_code": "<h", "sform_code": "<h", "magic": "4s"}.get(name, "<f")
        struct.pack_into(size, content, FIELDS[name], value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def scaled(slope: float, inter: float) -> dict[str, Any]:
    return {"sform": affine(20), "scl_slope": slope, "scl_inter": inter}


@pytest.mark.parametrize(
    ("options", "remark"),
    [
        ({"sform": affine()}, ""),
        ({"qform": affine(20)}, ""),
        ({"sform": affine(20), "qform": affine(20)}, ""),
        ({"sform": affine(20), "qform": affine(21)}, "its sform and qform place a voxel up to"),
        ({"sform": affine(20), "qform": affine(60), "codes": (1, 4)}, "its sform and qform place a voxel up to"),
        ({"qform": affine(20), "sform_code": 77}, "its sform_code is 77, which has no meaning: the sform was not used"),
        ({"sform": affine(), "sform_code": 0}, "it has neither sform nor qform: which side is left is a guess"),
        ({"qform": affine(20), "sform": affine(20), "pixdim[3]": -2.5}, "pixdim, the size of its voxels, holds -2.5"),
        ({"sform": affine(20), "pixdim[3]": float("nan")}, "pixdim, the size of its voxels, holds nan; the sform was"),
        ({"qform": affine(20), "pixdim[0]": 0.0}, ""),
        (scaled(1.7, -3.1), ""),
        (scaled(1, -1024), ""),
        (scaled(0, 5), "its scl_inter of 5 was not used, as its scl_slope is 0, which means: no scaling"),
        (scaled(float("nan"), 5), "its scl_inter of 5 was not used"),
        (scaled(0, 0), ""),
        ({"sform": affine(), "array": noise(*SHAPE).astype(">i2")}, ""),
        ({"sform": affine(), "array": noise(*SHAPE) * 0.3}, ""),
        ({"sform": affine(20), "kind": nibabel.Nifti2Image}, ""),
    ],
)
def test_voxels_and_places_are_those_of_monai(tmp_path: Path, options: dict[str, Any], remark: str) -> None:
    path = write(tmp_path / "a.nii", **options)
    expected = LoadImage(reader="NibabelReader")(path)
    image, remarks = load_nifti(path)
    np.testing.assert_allclose(image.affine, expected.affine, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj).astype(np.float32), expected.numpy())
    assert [each[: len(remark)] for each in remarks] == ([remark] if remark else [])
    scan = read_scan(Source(path, ("a",)))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(scan).T.astype(np.float32), expected.numpy())
    for index in ((0, 0, 0), (8, 7, 6), (1, 5, 2)):
        place = (np.diag([-1, -1, 1, 1]) @ expected.affine.numpy() @ [*index, 1])[:3]
        np.testing.assert_allclose(scan.TransformIndexToPhysicalPoint(index), place, atol=1e-5)


@pytest.mark.parametrize("slope", [1.0, 0.37, 1e-4])
def test_scaled_values_are_exact(tmp_path: Path, slope: float) -> None:
    array = noise(*SHAPE)
    path = write(tmp_path / "a.nii", sform=affine(), array=array, scl_slope=slope, scl_inter=-1024.0)
    found = SimpleITK.GetArrayFromImage(read_scan(Source(path, ("a",)))).T
    np.testing.assert_array_equal(found, array.astype(np.float64) * float(np.float32(slope)) - 1024)
    assert found.dtype == (np.int16 if slope == 1 else np.float64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"qform": affine(), "pixdim[3]": 0.0}, "holds 0, and it has no sform that would tell it: correct its header"),
        ({"qform": affine(), "pixdim[3]": -2.5}, "holds -2.5, and it has no sform"),
        ({"qform": affine(), "pixdim[3]": float("nan")}, "holds nan, and it has no sform"),
        ({"qform": affine(), "pixdim[0]": -0.5}, r"pixdim\[0\] is -0.5 instead of 1 or -1"),
        ({"sform": affine(), "srow_z[2]": float("nan")}, "the place or size of its voxels is not a number"),
        ({"sform": affine(), "srow_z[2]": 0.0}, "its axes span no volume"),
        ({"sform": affine(20), "qform": affine(20), "pixdim[3]": 3.0}, "its pixdim contradicts its sform"),
        ({"sform": affine(20) @ np.diag([1, 1, 1.1, 1]), "qform": affine(20)}, "its pixdim contradicts its sform"),
        ({"sform": affine(20, shear=0.1)}, r"not at right angles: sheared by 5.7 degrees, up to 0.\d+ mm: resample it"),
        ({"sform": affine(), "units": 3}, "its lengths are in micrometres, which nibabel and MONAI take for"),
        ({"sform": affine(), "units": 1}, "its lengths are in metres"),
        ({"sform": affine(), "array": noise(*SHAPE).astype(np.complex64)}, "its voxels are complex numbers"),
        ({"sform": affine(), "magic": b"ni1\0"}, "is the header of a pair of files"),
        ({"sform": affine(), "magic": b"n+7\0"}, "its content is neither NIfTI nor NIfTI compressed"),
        ({"sform": affine(), "array": np.zeros(SHAPE, [(name, "u1") for name in "RGB"])}, "3 values in each voxel"),
    ],
)
def test_what_leaves_open_where_voxels_lie_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "a.nii", **options)
    for read in (load_nifti, lambda path: read_scan(Source(path, ("a",))), LoadImage(reader=ScanReader())):
        with pytest.raises(DefectError, match=message):
            read(path)


def test_a_tiny_shear_is_straightened_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", sform=affine(20, shear=0.002))
    image, remarks = load_nifti(path)
    assert remarks[0].startswith("its axes are not at right angles: sheared by 0.11 degrees; they were straightened")
    cosines = image.affine[:3, :3] / (0.7, 0.8, 2.5)
    np.testing.assert_allclose(cosines.T @ cosines, np.eye(3), atol=1e-5)
    corners = np.asarray([[0, 0, 0, 1], [8, 7, 6, 1], [8, 0, 6, 1]]).T
    np.testing.assert_allclose(
        image.affine @ corners, nibabel.Nifti1Image.from_filename(path).affine @ corners, atol=0.01
    )
    with pytest.warns(UserWarning, match=r"a\.nii: its axes are not at right angles"):
        loaded = LoadImage(reader=ScanReader())(path)
    np.testing.assert_array_equal(loaded.affine, image.affine)


def packed(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    other = path.with_name(name)
    other.write_bytes(change(path.read_bytes()))
    return other


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("b.nii", gzip.compress),
        ("b.nii.gz", bytes),
        ("b.Nii.Gz", bytes),
        ("b.NII.GZ", gzip.compress),
        ("b.nii.gz", lambda content: gzip.compress(gzip.compress(content))),
    ],
)
def test_files_are_read_by_their_content(tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    array = noise(*SHAPE)
    path = packed(write(tmp_path / "a.nii", sform=affine(20), array=array), name, change)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(read_scan(Source(path, ("b",)))).T, array)
    np.testing.assert_array_equal(LoadImage(reader=ScanReader())(path), array)


def test_a_file_that_nobody_can_open_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefectError, match=r"cannot be read \(.*No such file"):
        load_nifti(tmp_path / "a.nii")


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_what_is_written_is_read_by_everybody(tmp_path: Path, kind: Any) -> None:
    array = noise(*SHAPE).astype(kind)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((11, -7, 30))
    cosines = np.asarray(turned(20, -35, 50))
    image.SetDirection(np.column_stack([*cosines, np.cross(*cosines)]).ravel().tolist())
    write_nifti(image, tmp_path / "a.nii.gz")
    loaded = LoadImage(reader="NibabelReader")(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(loaded, array.T.astype(np.float32))
    again = SimpleITK.ReadImage(str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(again), array)
    assert SimpleITK.GetArrayFromImage(again).dtype == kind
    for index in ((0, 0, 0), (6, 7, 8), (1, 5, 2)):
        place = np.asarray(image.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose(again.TransformIndexToPhysicalPoint(index), place, atol=1e-4)
        np.testing.assert_allclose((loaded.affine.numpy() @ [*index, 1])[:3], place * (-1, -1, 1), atol=1e-4)


def test_the_data_set_has_what_monai_reads_in_the_scan(tmp_path: Path) -> None:
    options: dict[str, Any] = scaled(0.37, 4.0) | {"qform": affine(50)}
    write(tmp_path / "images" / "a.nii", **options)
    write(tmp_path / "labels" / "a.nii", sform=affine(20), array=block(*SHAPE))
    summary = prepare_dataset(tmp_path / "images", tmp_path / "labels", tmp_path / "out", fractions=(1, 0, 0))
    (problem,) = summary.problems
    assert problem.severity == "warning"
    assert problem.message.startswith("image: its sform and qform place a voxel up to")
    load = LoadImage(reader="NibabelReader")
    for kind in ("images", "labels"):
        expected = load(tmp_path / kind / "a.nii")
        found = load(tmp_path / "out" / f"{kind}Tr" / "case_0001.nii.gz")
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(found.affine, expected.affine, atol=1e-5)
