"""NIfTI files, read with nibabel as MONAI reads them, and written so that a full disk is noticed."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from monai.data.utils import correct_nifti_header_if_necessary
from monai.utils import optional_import

from monai_cwmi.clinic.geometry import affine_of, is_length, largest_shift, straightened
from monai_cwmi.clinic.problems import DefectError, one_line
from monai_cwmi.clinic.values import smallest_type

if TYPE_CHECKING:
    from SimpleITK import Image

nibabel, _ = optional_import("nibabel")
imageglobals, _ = optional_import("nibabel.imageglobals")
sitk, _ = optional_import("SimpleITK")

GZIP = b"\x1f\x8b"
COMPRESSION = 6
UNITS = {1: "metres", 3: "micrometres"}  # besides millimetres, which all others are taken for
LENGTHS = slice(1, 4)  # of pixdim
FORMS_TOLERANCE = 0.05  # of a voxel: how far apart two statements on its place may be


def is_nifti(path: Path) -> bool:
    """Tell by its name whether a file is NIfTI."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def load_nifti(path: Path) -> tuple[Any, list[str]]:
    """Read a NIfTI file, compressed or not, whatever its name says about that.

    Voxels and affine are those of MONAI's ``NibabelReader``, where that makes sense.

    Returns:
        An image of nibabel, of any number of dimensions, and remarks on what its header leaves open.

    Raises:
        DefectError: When it cannot be read, or nobody can tell of what size its voxels are or where they lie.
    """
    content = _content(path)
    kinds = (nibabel.Nifti1Image, nibabel.Nifti2Image)
    kind = next((kind for kind in kinds if kind.header_class.may_contain_header(content)), None)
    if kind is None:
        raise DefectError("cannot be read: its content is neither NIfTI nor NIfTI compressed with gzip: convert it")
    try:
        return _checked(kind, content)
    except DefectError:
        raise
    except Exception as error:  # nibabel raises whatever a damaged file leads it to
        raise DefectError(f"cannot be read: truncated or damaged ({one_line(error)})") from error


def write_nifti(image: Image, path: Path) -> None:
    """Write an image of SimpleITK as NIfTI compressed with gzip.

    ITK's writer leaves half a file and raises nothing when the disk is full.
    """
    array = sitk.GetArrayFromImage(image).T
    made = nibabel.Nifti1Image(array, affine_of(image), dtype=array.dtype)
    made.set_sform(made.affine, "scanner")
    made.set_qform(made.affine, "scanner")
    made.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(made.to_bytes(), COMPRESSION, mtime=0))


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DefectError(f"cannot be read ({one_line(error)})") from error
    try:
        while content.startswith(GZIP):
            content = gzip.decompress(content)
    except Exception as error:  # zlib and gzip have errors of their own
        raise DefectError(f"cannot be read: truncated or damaged ({one_line(error)})") from error
    return content


def _checked(kind: Any, content: bytes) -> tuple[Any, list[str]]:
    raw = kind.header_class.from_fileobj(io.BytesIO(content), check=False)
    if raw["magic"].item() == raw.pair_magic:
        raise DefectError("is the header of a pair of files (.hdr, .img) under another name: convert both to one file")
    with imageglobals.LoggingOutputSuppressor():  # what nibabel repairs without being asked is named here
        image = kind.from_bytes(content)
    _check_type(image)
    array = np.asanyarray(image.dataobj)
    remarks = [*_length_remarks(raw, image), *_form_remarks(raw, image), *_scale_remarks(raw)]
    shape = (*array.shape, 1, 1)[:3]
    stated = image.affine.copy()
    straightened(stated, shape)  # makes sense at all, before MONAI puts a qform for it that nobody wrote
    image = correct_nifti_header_if_necessary(image)
    shift, voxels = largest_shift(image.affine, stated, shape)
    if not voxels <= FORMS_TOLERANCE:  # nor if it is not a number
        raise DefectError(
            f"its pixdim contradicts its sform, and MONAI would move voxels by up to {shift:.2g} mm: correct its header"
        )
    affine, more = straightened(image.affine, shape)
    if image.dataobj.slope != 1 or image.dataobj.inter != 0:
        array = smallest_type(array)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return kind(array, affine, image.header, dtype=array.dtype), remarks + more


def _check_type(image: Any) -> None:
    kind = image.get_data_dtype()
    if kind.kind == "c":
        raise DefectError("its voxels are complex numbers: write magnitude or phase as real numbers")
    if kind.names:
        raise DefectError(f"{len(kind.names)} values in each voxel (colour or layers)")
    if kind.itemsize > 8:
        raise DefectError(f"its voxels are numbers of {8 * kind.itemsize} bits: write 64 bits or fewer")


def _length_remarks(raw: Any, image: Any) -> list[str]:
    unit = UNITS.get(int(raw["xyzt_units"]) & 7)
    if unit:
        raise DefectError(f"its lengths are in {unit}, which nibabel and MONAI take for millimetres: write it in mm")
    lengths = raw["pixdim"][LENGTHS][: max(int(raw["dim"][0]), 1)]
    wrong = [f"{value:g}" for value in lengths if not is_length(value)]
    if not wrong:
        return []
    message = f"pixdim, the size of its voxels, holds {', '.join(wrong)}"
    if not image.header["sform_code"]:
        raise DefectError(f"{message}, and it has no sform that would tell it: correct its header")
    return [f"{message}; the sform was used"]


def _form_remarks(raw: Any, image: Any) -> list[str]:
    remarks = []
    for name in ("sform_code", "qform_code"):
        if int(raw[name]) != int(image.header[name]):
            remarks.append(f"its {name} is {int(raw[name])}, which has no meaning: the {name[:5]} was not used")
    sform, qform = image.get_sform(coded=True)[0], image.get_qform(coded=True)[0]
    if sform is None and qform is None:
        remarks.append("it has neither sform nor qform: which side is left is a guess")
    elif sform is None and raw["pixdim"][0] not in (-1, 0, 1):
        raise DefectError(
            f"pixdim[0] is {raw['pixdim'][0]:g} instead of 1 or -1, which tells left from right: correct its header"
        )
    elif sform is not None and qform is not None:
        shift, voxels = largest_shift(sform, qform, (*image.shape, 1, 1)[:3])
        if not voxels <= FORMS_TOLERANCE:
            remarks.append(
                f"its sform and qform place a voxel up to {shift:.3g} mm apart: the sform was used, as MONAI does"
            )
    return remarks


def _scale_remarks(raw: Any) -> list[str]:
    slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
    if (slope == 0 or not np.isfinite(slope)) and np.isfinite(inter) and inter:
        return [f"its scl_inter of {inter:g} was not used, as its scl_slope is {slope:g}, which means: no scaling"]
    return []
