"""Scans of every format for MONAI's ``LoadImage``, so that a model can be used on them as they are."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import NibabelReader
from monai.utils import ensure_tuple, optional_import

from monai_cwmi.clinic.geometry import affine_of
from monai_cwmi.clinic.nifti import is_nifti, load_nifti
from monai_cwmi.clinic.problems import DefectError
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.sources import Source, find_sources

nibabel, _ = optional_import("nibabel")
sitk, _ = optional_import("SimpleITK")


class ScanReader(NibabelReader):
    """Reads NIfTI, NRRD, MHA and MHD files, and folders with the files of one DICOM series.

    Arrays are of shape (X, Y, Z) and affines in the sense of NIfTI (RAS, mm), whatever the format. They are those that
    ``prepare-dataset`` writes for the same file. Several files are stacked as channels. All but NIfTI needs SimpleITK,
    and DICOM needs pydicom. What a file leaves open, and what was made of it, is a warning with its name.

    Raises:
        DefectError: When an image cannot be read, nobody can tell of what size its voxels are or where they lie, a
            folder does not hold exactly one DICOM series, or a series is defective: a slice is missing, for example.
            It is a ``ValueError``.

    Example::

        LoadImaged(keys="image", reader="monai_cwmi.clinic.reader.ScanReader")
    """

    def read(self, data: Sequence[str | os.PathLike[str]] | str | os.PathLike[str], **_: Any) -> tuple[Any, ...]:
        """Take note of the files."""
        # When this method raises, LoadImage tries its other readers, which see less. It does not so for get_data.
        return ensure_tuple(data)

    def get_data(self, img: Sequence[str | os.PathLike[str]]) -> tuple[np.ndarray, dict[str, Any]]:
        """Read the voxels of the files, and the affine among the metadata."""
        images = [_load(Path(path)) for path in img]
        self.filenames = tuple(img)
        return super().get_data(images)


def _load(path: Path) -> Any:
    remarks: list[str] = []
    try:
        if is_nifti(path) and not path.is_dir():
            image, remarks = load_nifti(path)
        else:
            scan = read_scan(_series(path) if path.is_dir() else Source(path, (path.name,)), remarks)
            array = sitk.GetArrayFromImage(scan).T
            image = nibabel.Nifti1Image(array, affine_of(scan), dtype=array.dtype)
    except DefectError as defect:
        raise DefectError(*(f"{path}: {message}" for message in defect.messages)) from defect
    for remark in remarks:
        warnings.warn(f"{path}: {remark}", stacklevel=2)
    return image


def _series(folder: Path) -> Source:
    sources, problems = find_sources(folder)
    defects = [str(problem) for problem in problems if problem.severity == "error"]
    series = [source for source in sources if source.kind == "series"]
    if len(series) != 1:
        defects.append(f"holds {len(series)} DICOM series instead of one")
    if defects:
        raise DefectError(*defects)
    return series[0]
