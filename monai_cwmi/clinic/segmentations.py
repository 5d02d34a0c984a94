"""Labels, from files or DICOM SEG, on the grid of their scans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from monai.utils import optional_import

from monai_cwmi.clinic.checks import grid_differences, orientation_code, value_defects
from monai_cwmi.clinic.problems import DefectError, one_line
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.sources import Source

if TYPE_CHECKING:
    from SimpleITK import Image

highdicom, _ = optional_import("highdicom")
pydicom, _ = optional_import("pydicom")
sitk, _ = optional_import("SimpleITK")

SHIFT_TOLERANCE = 0.05  # of a voxel


@dataclass(frozen=True)
class Classes:
    """What the values of labels mean.

    Attributes:
        names: of the classes 1, 2, ... In a DICOM SEG these are the names of segments; where segments overlap, the
            later class has the voxel. Default: values and numbers of segments are kept as they are.
        values: what label files hold for the classes. Default: 1, 2, ...
    """

    names: tuple[str, ...] | None = None
    values: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for name, given in (("classes", self.names), ("label_values", self.values)):
            if given is not None and (not given or len(set(given)) < len(given)):
                raise ValueError(f"{name} must name each class once, got {list(given)}.")
        if self.values and min(self.values) < 1:
            raise ValueError(f"label_values must be 1 or more, as 0 is the background, got {list(self.values)}.")
        if self.names and self.values and len(self.names) != len(self.values):
            raise ValueError(f"{len(self.names)} classes have {len(self.values)} label_values.")

    @property
    def file_values(self) -> tuple[int, ...] | None:
        """The values of the classes 1, 2, ... in label files, if they are known."""
        return self.values or (None if self.names is None else tuple(range(1, len(self.names) + 1)))


def read_label(source: Source, image: Image, classes: Classes) -> tuple[Image, list[str]]:
    """Read a label and put it onto the grid of its image, without interpolation.

    Args:
        source: the label.
        image: the scan that it belongs to.
        classes: what its values mean.

    Returns:
        The label, with whole numbers from 0, and remarks on what was done to it.

    Raises:
        DefectError: When it cannot be read, holds values of no meaning, lies on another grid, or is a DICOM SEG whose
            segments overlap while no order of classes was given.
    """
    if source.kind == "segmentation":
        label, remarks = _read_segmentation(source, image, classes)
    else:
        label, remarks = _read_file(source, image, classes.file_values)
    if not sitk.GetArrayViewFromImage(label).any():
        remarks.append("the label is empty")
    return label, remarks


def _read_file(source: Source, image: Image, values: tuple[int, ...] | None) -> tuple[Image, list[str]]:
    remarks: list[str] = []
    label = read_scan(source, remarks)
    defects = value_defects(np.unique(sitk.GetArrayViewFromImage(label)), None if values is None else (0, *values))
    code, wanted = orientation_code(label), orientation_code(image)
    if code != wanted:
        label = sitk.DICOMOrient(label, wanted)
        remarks.append(f"orientation {code}, the image has {wanted}: the axes were put in the image's order")
    differences = grid_differences(label, image)
    if differences:
        defects += [f"orientation {code}, the image has {wanted}"] * (code != wanted) + differences
    if defects:
        raise DefectError(*defects)
    array = sitk.GetArrayFromImage(label).round()
    if values is None:
        return _like(image, array.astype(np.uint16)), remarks  # which holds them all, or value_defects had said so
    classes = np.zeros(array.shape, np.uint16)
    for number, value in enumerate(values, 1):
        classes[array == value] = number
    return _like(image, classes), remarks


def segment_names(source: Source) -> dict[int, str]:
    """Return what the segments of a DICOM SEG are called; nothing for other labels."""
    if source.kind != "segmentation":
        return {}
    header = pydicom.dcmread(source.path, stop_before_pixels=True, specific_tags=["SegmentSequence"])
    names = {int(segment.SegmentNumber): str(segment.SegmentLabel) for segment in header.get("SegmentSequence", [])}
    return {number: name for number, name in names.items() if number}  # a label map may have the background as 0


def _read_segmentation(source: Source, image: Image, classes: Classes) -> tuple[Image, list[str]]:
    try:
        names = segment_names(source)
        dataset = pydicom.dcmread(source.path)
        _set_slice_spacing(dataset, image)
        segmentation = highdicom.seg.Segmentation.from_dataset(dataset, copy=False)
    except Exception as error:  # pydicom and highdicom raise whatever a damaged file leads them to
        raise DefectError(f"cannot be read as DICOM SEG: {one_line(error)}") from error
    if segmentation.SegmentationType == "FRACTIONAL":
        raise DefectError("fractional values: a DICOM SEG of the type FRACTIONAL")
    numbers, remarks = _numbers(names, classes)
    array = np.zeros(image.GetSize()[::-1], np.uint16)
    overlaps: set[tuple[int, int]] = set()
    shared = 0
    for value, number in numbers:
        mask = _placed(segmentation, number, image)
        covered = array[mask]
        covered = covered[(covered > 0) & (covered != value)]
        overlaps.update((int(other), value) for other in np.unique(covered))
        shared += covered.size
        array[mask] = value
    if overlaps and classes.names is None:
        pairs = ", ".join(f"{names[a]!r} and {names[b]!r}" for a, b in sorted(overlaps))
        raise DefectError(f"segments overlap ({pairs}): give the classes in the order in which a later one wins")
    if overlaps:
        remarks.append(f"segments overlap: a later class took {shared} voxels from an earlier one")
    return _like(image, array), remarks


def _set_slice_spacing(dataset: Any, image: Image) -> None:
    # Frames of empty slices are often left out, and the gap between those that are there then tells nothing.
    groups = [*dataset.get("SharedFunctionalGroupsSequence", []), *dataset.PerFrameFunctionalGroupsSequence]
    cosines = [plane for group in groups for plane in group.get("PlaneOrientationSequence", [])]
    rows, columns = np.reshape(cosines[0].ImageOrientationPatient, (2, 3)).astype(float)
    axis = int(np.argmax(abs(np.cross(rows, columns) @ np.reshape(image.GetDirection(), (3, 3)))))
    for measures in (each for group in groups for each in group.get("PixelMeasuresSequence", [])):
        measures.SpacingBetweenSlices = f"{image.GetSpacing()[axis]:.10g}"


def _numbers(names: dict[int, str], classes: Classes) -> tuple[list[tuple[int, int]], list[str]]:
    """Return (class, number of the segment), in the order in which they are painted."""
    if classes.names is None:
        return [(number, number) for number in sorted(names)], []
    wanted = [name.casefold() for name in classes.names]
    found = {number: name.casefold().strip() for number, name in names.items()}
    painted = [(i, number) for i, name in enumerate(wanted, 1) for number in sorted(found) if found[number] == name]
    missing = [name for name in classes.names if name.casefold() not in found.values()]
    spare = [names[number] for number in sorted(names) if found[number] not in wanted]
    remarks = [f"no segment is called {', '.join(map(repr, missing))}"] if missing else []
    return painted, remarks + ([f"segments that are no class: {', '.join(map(repr, spare))}"] if spare else [])


def _placed(segmentation: Any, number: int, image: Image) -> np.ndarray:
    """Return where a segment is, as booleans on the grid of the image."""
    try:
        volume = segmentation.get_volume(segment_numbers=[number], combine_segments=True, relabel=True, dtype=np.uint8)
    except Exception as error:  # as above, and for frames that make up no regular volume
        raise DefectError(f"segment {number} cannot be read: {one_line(error)}") from error
    # highdicom counts slices, rows, columns; SimpleITK the other way round.
    label = sitk.DICOMOrient(volume.permute_spatial_axes((2, 1, 0)).to_simpleitk(), orientation_code(image))
    differences = grid_differences(label, image, ("Spacing", "Direction"))
    offset = np.asarray(image.TransformPhysicalPointToContinuousIndex(label.GetOrigin()))
    if abs(offset - offset.round()).max() > SHIFT_TOLERANCE:
        differences.append(f"its voxels lie between those of the image (by {offset.round(3) % 1} voxels)")
    if differences:
        raise DefectError(*differences)
    placed = sitk.GetArrayFromImage(sitk.Resample(label, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) > 0
    lost = int(sitk.GetArrayViewFromImage(label).sum(dtype=int)) - int(placed.sum())
    if lost:
        raise DefectError(f"{lost} voxels of segment {number} lie outside of the image")
    return placed


def _like(image: Image, array: np.ndarray) -> Image:
    label = sitk.GetImageFromArray(array if array.max(initial=0) > 255 else array.astype(np.uint8))
    label.CopyInformation(image)
    return label
