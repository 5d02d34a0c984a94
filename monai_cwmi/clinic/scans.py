"""Scans as SimpleITK images, or the reason why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from monai.utils import optional_import

from monai_cwmi.clinic.geometry import affine_of, make_image, set_affine, straightened
from monai_cwmi.clinic.headers import header_defects
from monai_cwmi.clinic.nifti import is_nifti, load_nifti
from monai_cwmi.clinic.problems import DefectError, one_line
from monai_cwmi.clinic.series import read_series
from monai_cwmi.clinic.sources import Source

if TYPE_CHECKING:
    from SimpleITK import Image

sitk, _ = optional_import("SimpleITK")


def read_scan(source: Source, remarks: list[str] | None = None) -> Image:
    """Read a scan, or a label that is no DICOM SEG.

    Args:
        source: the scan.
        remarks: a list to add to what is remarkable about it and keeps nobody from using it.

    Returns:
        A three-dimensional image of one value per voxel, without any of the text that its files carry.

    Raises:
        DefectError: When the files cannot be read or do not make up a regular volume.
    """
    if source.kind == "series":
        array, affine = read_series(source.slices)
        affine, found = straightened(affine, array.shape)
        image = make_image(array, affine)
    elif is_nifti(source.path):
        image, found = _read_nifti(source.path)
    else:
        image, found = _read_file(source.path)
    if remarks is not None:
        remarks += found
    return image


def _read_nifti(path: Path) -> tuple[Image, list[str]]:
    nifti, remarks = load_nifti(path)
    array = np.asanyarray(nifti.dataobj)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3:
        raise DefectError(f"{array.ndim} dimensions instead of three")
    return make_image(array, nifti.affine), remarks


def _read_file(path: Path) -> tuple[Image, list[str]]:
    kind = "MetaImageIO" if path.suffix.lower() in (".mha", ".mhd") else "NrrdImageIO"
    defects = []
    try:
        defects = header_defects(path)
        with _quiet():
            image = sitk.ReadImage(str(path), imageIO=kind)
    except Exception as error:  # besides what ITK raises: whatever the file system does
        reason = one_line(error).rpartition("ERROR: ")[2]
        defects.append(f"cannot be read: truncated, damaged or of an unknown kind ({reason})")
        raise DefectError(*defects) from error
    if "complex" in image.GetPixelIDTypeAsString():
        defects.append("its voxels are complex numbers: write magnitude or phase as real numbers")
    if image.GetNumberOfComponentsPerPixel() > 1:
        defects.append(f"{image.GetNumberOfComponentsPerPixel()} values in each voxel (colour or layers)")
    if image.GetDimension() != 3:
        defects.append(f"{image.GetDimension()} dimensions instead of three")
    if defects:
        raise DefectError(*defects)
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    affine, remarks = straightened(affine_of(image), image.GetSize())
    if remarks:
        set_affine(image, affine)
    return image, remarks


@contextmanager
def _quiet() -> Iterator[None]:
    # What matters of ITK's warnings is checked here and named; on the screen they would tear the progress bar.
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
