"""Scans and labels as a clinic has them, written tag by tag so that where a voxel lies can be told by hand."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def turned(*angles: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Directions of columns and rows after turns about x, y and z, in degrees."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(angles)):
        step = np.eye(3)
        a, b = [i for i in range(3) if i != axis]
        step[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turn = step @ turn
    return tuple(turn[:, 0].tolist()), tuple(turn[:, 1].tolist())


@dataclass
class Series:
    """A CT series. ``step`` is the way from one slice to the next in mm; default: 2.5 along the normal."""

    array: np.ndarray  # slices, rows, columns
    cosines: tuple[tuple[float, ...], tuple[float, ...]] = AXIAL
    pitch: tuple[float, float] = (0.8, 0.6)  # between rows, between columns
    origin: tuple[float, float, float] = (-11.0, 7.0, 30.0)
    step: Sequence[float] | np.ndarray | None = None
    patient: str = "P1"
    study_uid: str = field(default_factory=generate_uid)
    uid: str = field(default_factory=generate_uid)
    tags: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.step is None:
            self.step = tuple(2.5 * np.cross(*self.cosines))
        self.datasets = [self._dataset(index) for index in range(len(self.array))]

    def _dataset(self, index: int) -> pydicom.Dataset:
        data = pydicom.Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = (
            self.study_uid,
            self.uid,
            self.study_uid,
        )
        data.PatientID, data.PatientName, data.PatientBirthDate, data.PatientSex = self.patient, "", "", "O"
        data.Modality, data.InstanceNumber, data.SeriesNumber = "CT", index + 1, 1
        data.StudyDate = data.StudyTime = data.AccessionNumber = data.StudyID = data.ReferringPhysicianName = ""
        data.Manufacturer = data.PositionReferenceIndicator = ""
        data.Rows, data.Columns = self.array.shape[1:]
        data.PixelSpacing = [f"{step:.10g}" for step in self.pitch]
        data.SliceThickness = "1.25"  # less than the gap, as it often is
        position = np.asarray(self.origin) + index * np.asarray(self.step)
        data.ImagePositionPatient = [f"{value:.10g}" for value in position]
        data.ImageOrientationPatient = [f"{value:.10g}" for vector in self.cosines for value in vector]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 1
        data.RescaleIntercept, data.RescaleSlope = "-1000", "1"
        data.PixelData = (self.array[index] + 1000).astype("<i2").tobytes()
        for name, value in self.tags.items():
            setattr(data, name, value)
        return data

    def write(self, folder: Path, suffix: str = "") -> list[Path]:
        """Write the slices under names in an order of their own."""
        folder.mkdir(parents=True, exist_ok=True)
        names = list(range(len(self.datasets)))
        random.Random(0).shuffle(names)
        paths = [folder / f"IM{name:04}{suffix}" for name in names]
        for path, dataset in zip(paths, self.datasets, strict=True):
            dataset.save_as(path, enforce_file_format=True)
        return paths

    def place(self, index: int, row: int, column: int) -> np.ndarray:
        """Where a voxel lies, from the tags alone (DICOM PS3.3, C.7.6.2.1.1)."""
        data = self.datasets[index]
        across, down = np.reshape([float(value) for value in data.ImageOrientationPatient], (2, 3))
        between_rows, between_columns = map(float, data.PixelSpacing)
        corner = np.asarray([float(value) for value in data.ImagePositionPatient])
        return corner + across * between_columns * column + down * between_rows * row


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1000, shape, dtype=np.int16)


def segmentation(
    series: Series, masks: Mapping[str, np.ndarray], kind: str = "BINARY", **options: Any
) -> highdicom.seg.Segmentation:
    """A DICOM SEG over a series, with one segment for each mask of slices, rows, columns."""
    descriptions = [
        highdicom.seg.SegmentDescription(
            number, name, codes.SCT.Organ, codes.SCT.Liver, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
        )
        for number, name in enumerate(masks, 1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of patients need not be real ones
        return highdicom.seg.Segmentation(
            series.datasets,
            np.stack(list(masks.values()), -1),
            kind,
            descriptions,
            generate_uid(),
            9,
            generate_uid(),
            1,
            "maker",
            "model",
            "1",
            "1",
            **options,
        )


def write_volume(
    path: Path,
    array: np.ndarray,
    spacing: Sequence[float] = (0.7, 0.8, 2.5),
    origin: Sequence[float] = (-11.0, 7.0, 30.0),
    direction: Sequence[float] = (1, 0, 0, 0, 1, 0, 0, 0, 1),
) -> Path:
    """A file that SimpleITK writes; the array is of slices, rows, columns."""
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))
    return path


def block(*shape: int, value: int = 1) -> np.ndarray:
    """A label with a block that touches no side and lies in the middle of none."""
    label = np.zeros(shape, np.uint8)
    label[tuple(slice(size // 4, size // 2 + 1) for size in shape)] = value
    return label
