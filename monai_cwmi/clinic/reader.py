"""Scans of every format for MONAI's ``LoadImage``, so that a model can be used on them as they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import NibabelReader
from monai.utils import ensure_tuple, optional_import

from monai_cwmi.clinic.problems import DefectError
from monai_cwmi.clinic.scans import is_nifti, read_scan
from monai_cwmi.clinic.sources import Source, find_sources

nibabel, _ = optional_import("nibabel")
sitk, _ = optional_import("SimpleITK")

_RAS_OF_LPS = np.diag([-1.0, -1.0, 1.0])


class ScanReader(NibabelReader):
    """Reads NIfTI, NRRD, MHA and MHD files, and folders with the files of one DICOM series.

    Arrays are of shape (X, Y, Z) and affines in the sense of NIfTI (RAS, mm), whatever the format. Several files are
    stacked as channels. All but NIfTI needs SimpleITK, and DICOM needs pydicom.

    Raises:
        DefectError: When an image cannot be read, a folder does not hold exactly one DICOM series, or a series is
            defective: a slice is missing, for example. It is a ``ValueError``.

    Example::

        LoadImaged(keys="image", reader="monai_cwmi.clinic.reader.ScanReader")
    """

    def read(self, data: Sequence[str | os.PathLike[str]] | str | os.PathLike[str], **_: Any) -> tuple[Any, ...]:
        """Take note of the files."""
        # When this method raises, LoadImage tries its other readers, which see less. It does not so for get_data.
        return ensure_tuple(data)

    def get_data(self, img: Sequence[str | os.PathLike[str]]) -> tuple[np.ndarray, dict[str, Any]]:
        """Read the voxels of the files, and the affine among the metadata."""
        images = []
        for path in map(Path, img):
            images.append(super().read(path) if is_nifti(path) else _as_nifti(path))
        self.filenames = tuple(img)
        return super().get_data(images)


def _as_nifti(path: Path) -> Any:
    image = read_scan(_series(path) if path.is_dir() else Source(path, (path.name,)))
    affine = np.eye(4)
    affine[:3, :3] = _RAS_OF_LPS @ np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
    affine[:3, 3] = _RAS_OF_LPS @ image.GetOrigin()
    array = sitk.GetArrayFromImage(image).T
    return nibabel.Nifti1Image(array, affine, dtype=array.dtype)


def _series(folder: Path) -> Source:
    sources, problems = find_sources(folder)
    defects = [str(problem) for problem in problems if problem.severity == "error"]
    series = [source for source in sources if source.kind == "series"]
    if len(series) != 1:
        defects.append(f"{folder} holds {len(series)} DICOM series instead of one")
    if defects:
        raise DefectError(*defects)
    return series[0]
