"""Voxels and place of a DICOM series, from the tags of each of its slices."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import

from monai_cwmi.clinic.checks import POSITION_TOLERANCE, along_normal, series_defects
from monai_cwmi.clinic.geometry import LPS_OF_RAS
from monai_cwmi.clinic.problems import DefectError, one_line
from monai_cwmi.clinic.sources import Slice
from monai_cwmi.clinic.values import smallest_type

pydicom, _ = optional_import("pydicom")
pixels, _ = optional_import("pydicom.pixels")
sitk, _ = optional_import("SimpleITK")

PIXELS = ["SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"]
PIXELS += ["PixelData"]
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # a picture that needs no other tags


def read_series(slices: Sequence[Slice]) -> tuple[np.ndarray, np.ndarray]:
    """Read the slices of a DICOM series, in whatever order they come.

    Returns:
        The values that the tags of each slice say, as an array of shape (X, Y, Z), and the affine (RAS, mm). From low
        to high along the normal of the slices, the axes are right-handed.

    Raises:
        DefectError: When the slices cannot be read or make up no regular volume.
    """
    defects = series_defects(slices)
    if defects:
        raise DefectError(*defects)
    ordered = [slices[index] for index in np.argsort(along_normal(slices))]
    planes, scaled = [], []
    for each in ordered:
        values, is_scaled = _read_slice(each.path)
        planes.append(values)
        scaled.append(is_scaled)
    if len(set(scaled)) > 1:
        place = ordered[scaled.index(False)].path.name
        number = scaled.count(False)
        raise DefectError(
            f"RescaleSlope is missing in {number} of {len(scaled)} slices, first in {place}: export it anew"
        )
    return np.stack(planes).T, _affine(ordered)


def _affine(ordered: Sequence[Slice]) -> np.ndarray:
    first = ordered[0]
    between_rows, between_columns = first.spacing
    across, down = (vector / np.linalg.norm(vector) for vector in np.reshape(first.orientation, (2, 3)))
    normal = np.cross(across, down)
    if len(ordered) > 1:
        step = (np.asarray(ordered[-1].position) - first.position) / (len(ordered) - 1)
        gap = float(step @ normal)
        # What is less than the rounding of positions is no drift.
        if np.linalg.norm(step - gap * normal) * (len(ordered) - 1) <= POSITION_TOLERANCE * max(1.0, gap):
            step = gap * normal
    else:
        step = _thickness(first.path) * normal
    affine = np.eye(4)
    affine[:3] = np.column_stack([across * between_columns, down * between_rows, step, first.position])
    return LPS_OF_RAS @ affine


def _thickness(path: Path) -> float:
    header = pydicom.dcmread(path, force=True, specific_tags=["SpacingBetweenSlices", "SliceThickness"])
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        length = float(header.get(name) or 0)
        if math.isfinite(length) and length > 0:
            return length
    raise DefectError("a single slice of unknown thickness (no SpacingBetweenSlices and no SliceThickness)")


def _read_slice(path: Path) -> tuple[np.ndarray, bool]:
    """Return the values of a slice, and whether its header holds what turns stored numbers into them."""
    about = path.name
    try:
        dataset = pydicom.dcmread(path, force=True)
        syntax = dataset.file_meta.setdefault("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian).value
        about = f"{path.name}: {pydicom.uid.UID(syntax).name}"
        return _values(dataset)
    except DefectError:
        raise
    except Exception as error:  # pydicom and ITK raise whatever a damaged file leads them to
        reason = one_line(error)
        raise DefectError(f"cannot be read: truncated, damaged or of an unknown kind ({about}; {reason})") from error


def _values(dataset: Any) -> tuple[np.ndarray, bool]:
    samples, kind = int(dataset.get("SamplesPerPixel") or 1), str(dataset.get("PhotometricInterpretation", ""))
    if samples > 1:
        raise DefectError(f"{samples} values in each voxel (colour or layers)")
    if kind and not kind.startswith("MONOCHROME"):
        raise DefectError(f"its voxels are colours ({kind}): export grey values")
    with warnings.catch_warnings(action="ignore"):
        stored = _decoded(dataset) if dataset.file_meta.TransferSyntaxUID.is_encapsulated else dataset.pixel_array
        if "ModalityLUTSequence" in dataset:
            return smallest_type(pixels.apply_modality_lut(stored, dataset)), True
    is_scaled = dataset.get("RescaleSlope") is not None
    slope = float(dataset.RescaleSlope) if is_scaled else 1.0
    intercept = float(dataset.get("RescaleIntercept") or 0)
    if not (slope and math.isfinite(slope) and math.isfinite(intercept)):
        raise DefectError(f"RescaleSlope is {slope:g} and RescaleIntercept {intercept:g}: its values are not known")
    return smallest_type(stored.astype(np.float64) * slope + intercept), is_scaled


def _decoded(dataset: Any) -> np.ndarray:
    """Return the stored numbers of a compressed slice.

    pydicom needs a package of its own for each compression, ITK none. But ITK scales the numbers or not by the kind of
    scan, and so gets a picture without the tags for it.
    """
    bare = pydicom.Dataset()
    for name in PIXELS:
        if name in dataset:
            bare[name] = dataset[name]
    bare.PhotometricInterpretation = "MONOCHROME2"
    bare.file_meta = pydicom.dataset.FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.SOPClassUID = bare.file_meta.MediaStorageSOPClassUID = SECONDARY_CAPTURE
    bare.SOPInstanceUID = bare.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "slice.dcm")
        bare.save_as(path, enforce_file_format=True)
        image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
    return sitk.GetArrayFromImage(image)[0]
