"""Scans as SimpleITK images, or the reason why not."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from monai.utils import optional_import

from monai_cwmi.clinic.checks import along_normal, series_defects
from monai_cwmi.clinic.problems import DefectError, one_line
from monai_cwmi.clinic.sources import Source

if TYPE_CHECKING:
    from SimpleITK import Image

nibabel, _ = optional_import("nibabel")
pydicom, _ = optional_import("pydicom")
sitk, _ = optional_import("SimpleITK")

CHUNK = 1 << 22  # bytes


def read_scan(source: Source) -> Image:
    """Read a scan, or a label that is no DICOM SEG.

    Returns:
        A three-dimensional image of one value per voxel, without any of the text that its files carry.

    Raises:
        DefectError: When the files cannot be read or do not make up a regular volume.
    """
    strange = None
    if source.kind == "series":
        defects = series_defects(source.slices)
        if defects:
            raise DefectError(*defects)
        # From low to high along the normal, the axes are right-handed in whatever order the files were named.
        image = _read([str(source.slices[index].path) for index in np.argsort(along_normal(source.slices))])
    else:
        if is_nifti(source.path):
            strange = _strange_voxels(source.path)
        image = _read(str(source.path))
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise DefectError(f"{image.GetNumberOfComponentsPerPixel()} values in each voxel (colour or layers)")
    if image.GetDimension() != 3:
        raise DefectError(f"{image.GetDimension()} dimensions instead of three")
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    return image if strange is None else _with_nan(image, strange)


def is_nifti(path: Path) -> bool:
    """Tell by its name whether a file is NIfTI."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def _read(names: str | list[str]) -> Image:
    try:
        with _quiet():
            return sitk.ReadImage(names)
    except RuntimeError as error:
        if isinstance(names, list) and len(names) > 1:
            for name in names:
                _read([name])  # the first that cannot be read says so
        reason = str(error).strip().splitlines()[-1].removeprefix("sitk::ERROR: ")
        about = _transfer_syntax(names[0]) if isinstance(names, list) else ""
        raise DefectError(f"cannot be read: truncated, damaged or of an unknown kind ({about}{reason})") from error


def _transfer_syntax(name: str) -> str:
    meta = pydicom.dcmread(name, force=True, stop_before_pixels=True, specific_tags=[]).file_meta
    return f"{Path(name).name}: {meta.get('TransferSyntaxUID', pydicom.uid.ImplicitVRLittleEndian).name}; "


@contextmanager
def _quiet() -> Iterator[None]:
    # What matters of ITK's warnings is checked here and named; on the screen they would tear the progress bar.
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def _strange_voxels(path: Path) -> np.ndarray | None:
    """Return where a NIfTI file is not finite, if it is so anywhere, having checked that it is all there.

    ITK tells neither: it fills up with zeros what a truncated file lacks, and puts them for what is not finite.
    """
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        proxy = nibabel.load(path).dataobj
        needed = proxy.offset + int(np.prod(proxy.shape)) * proxy.dtype.itemsize
        with opened(path, "rb") as file:
            length = sum(len(chunk) for chunk in iter(lambda: file.read(CHUNK), b""))
        if length < needed:
            raise EOFError(f"{length} of {needed} bytes")
        strange = ~np.isfinite(proxy.get_unscaled()).T if proxy.dtype.kind == "f" else np.zeros(0, bool)
    except Exception as error:  # nibabel and zlib raise whatever a damaged file leads them to
        raise DefectError(f"cannot be read: truncated or damaged ({one_line(error)})") from error
    return strange if strange.any() else None


def _with_nan(image: Image, strange: np.ndarray) -> Image:
    array = sitk.GetArrayFromImage(image)
    array[strange.reshape(array.shape)] = np.nan  # ITK drops axes of one voxel beyond the third
    result = sitk.GetImageFromArray(array)
    result.CopyInformation(image)
    return result
