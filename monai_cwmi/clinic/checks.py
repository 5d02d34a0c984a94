"""What can be wrong with a series, a grid, a label and a list of cases: pure functions that return sentences."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from monai.utils import optional_import

from monai_cwmi.clinic.geometry import is_length
from monai_cwmi.clinic.sources import Slice

if TYPE_CHECKING:
    from SimpleITK import Image

sitk, _ = optional_import("SimpleITK")

SECTIONS = ("training", "validation", "test")
# A file may state a position to two decimals only.
POSITION_TOLERANCE = 0.02  # of the gap between slices; mm where that is less than one
# Over 500 voxels these move none by more than a twentieth of its size.
GRID_TOLERANCE = 1e-4
GRID_PARTS = ("Size", "Spacing", "Origin", "Direction")


def along_normal(slices: Sequence[Slice]) -> np.ndarray:
    """Return where the slices lie along the normal of the first one, in mm."""
    rows, columns = np.reshape(slices[0].orientation, (2, 3))
    return np.asarray([each.position for each in slices]) @ np.cross(rows, columns)


def series_defects(slices: Sequence[Slice]) -> list[str]:
    """Name what keeps the slices of a DICOM series from making up a regular volume.

    Slices may come in any order. Slices missing at either end leave no gap and are not seen here.
    """
    if any(each.frames > 1 for each in slices):
        return ["holds several frames in one file (enhanced DICOM), which is not read: convert it to NIfTI"]
    lost = [each.path.name for each in slices if len(each.position) != 3 or len(each.orientation) != 6]
    if lost:
        return [f"position or orientation is missing in {len(lost)} of {len(slices)} slices, first in {lost[0]}"]
    sizeless = [each.path.name for each in slices if len(each.spacing) != 2 or not all(map(is_length, each.spacing))]
    if sizeless:
        return [
            f"PixelSpacing is missing or 0 in {len(sizeless)} of {len(slices)} slices, first in {sizeless[0]}, so "
            "the size of the pixel is not known: export the series anew, or convert it to NIfTI with its true spacing"
        ]
    defects = []
    repeated = [uid for uid, number in Counter(each.instance_uid for each in slices).items() if number > 1]
    if repeated:
        twins = [each.path for each in slices if each.instance_uid == repeated[0]]
        defects.append(
            f"{len(repeated)} slices are there more than once (SOPInstanceUID): {' and '.join(map(str, twins))}"
        )
    sizes = sorted({each.size for each in slices})
    if len(sizes) > 1:
        defects.append("mixed: slices of the sizes " + ", ".join(f"{columns}x{rows}" for rows, columns in sizes))
    for name, vectors in {
        "pixel spacings": [each.spacing for each in slices],
        "orientations": [each.orientation for each in slices],
    }.items():
        groups = _distinct(vectors)
        if groups > 1:
            defects.append(f"mixed: slices of {groups} different {name}")
    return defects or _gap_defects(slices)


def _distinct(vectors: Sequence[tuple[float, ...]]) -> int:
    kinds: list[tuple[float, ...]] = []
    for vector in vectors:
        if not any(len(vector) == len(kind) and np.allclose(vector, kind, atol=GRID_TOLERANCE) for kind in kinds):
            kinds.append(vector)
    return len(kinds)


def _gap_defects(slices: Sequence[Slice]) -> list[str]:
    if len(slices) < 2:
        return []
    depths = along_normal(slices)
    order = np.argsort(depths)
    gaps = np.diff(depths[order])
    regular = gaps.min()
    tolerance = POSITION_TOLERANCE * max(1.0, regular)
    if regular < tolerance:
        number = int((gaps < tolerance).sum())
        return [f"{number} slices lie where another one does: several phases, echoes or copies in one series"]
    uneven = gaps[gaps > regular + tolerance]
    if uneven.size:
        steps = uneven / regular
        listed = ", ".join(f"{gap:g}" for gap in sorted(set(uneven.round(2)))[:5])
        if np.all(abs(steps - steps.round()) * regular < tolerance * steps.round()):
            number = int(steps.round().sum()) - len(steps)
            return [f"{number} slices are missing: gaps of {listed} mm among slices {regular:.4g} mm apart"]
        return [f"slices are missing or unevenly spaced: gaps from {regular:.4g} to {gaps.max():.4g} mm"]
    moves = np.diff(np.asarray([slices[index].position for index in order]), axis=0)
    sideways = np.sqrt(np.maximum((moves**2).sum(1) - gaps**2, 0)).max()
    if sideways > tolerance:
        angle = np.degrees(np.arctan2(sideways, regular))
        return [f"slices are sheared by {angle:.1f} degrees (gantry tilt): resample the series to a straight grid"]
    return []


def orientation_code(image: Image) -> str:
    """Return towards which sides of the patient the axes point, ``"RAS"`` for right, anterior, superior."""
    return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())


def grid_differences(label: Image, image: Image, parts: Sequence[str] = GRID_PARTS) -> list[str]:
    """Name in what the grid of a label differs from that of its image."""
    spacing = np.asarray(image.GetSpacing())
    tolerances = {
        "Size": 0,
        "Spacing": GRID_TOLERANCE * spacing,
        "Origin": 0.05 * spacing.min(),
        "Direction": GRID_TOLERANCE,
    }
    differences = []
    for name in parts:
        ours, its = (np.asarray(getattr(each, f"Get{name}")()) for each in (label, image))
        if (abs(ours - its) > tolerances[name]).any():
            differences.append(f"{name.lower()} {_listed(ours)}, the image has {_listed(its)}")
    return differences


def value_defects(values: np.ndarray, allowed: Collection[int] | None) -> list[str]:
    """Name what is wrong with the values of a label: fractional, not finite, negative or unexpected ones.

    Args:
        values: the different values that occur.
        allowed: those that have a meaning. Default: whole numbers from 0 to 65535.
    """
    finite = values[np.isfinite(values)]
    whole = np.unique(np.rint(finite) if finite.dtype.kind == "f" else finite)
    defects = []
    if finite.size < values.size:
        defects.append("values that are not finite")
    fractional = finite[abs(finite - finite.round()) > 1e-3]
    if fractional.size:
        defects.append(f"fractional values ({_listed(fractional)}): a probability map, or resampled with interpolation")
        return defects
    if allowed is None:
        unexpected, wanted = whole[(whole < 0) | (whole > 65535)], "whole numbers from 0 to 65535"
    else:
        # As whole numbers of Python: NumPy compares large ones of different types as 64-bit floats.
        known = np.asarray([int(value) in allowed for value in whole], bool)
        unexpected, wanted = whole[~known], _listed(sorted(allowed))
    if unexpected.size:
        defects.append(f"unexpected values {_listed(unexpected)}; expected: {wanted}")
    return defects


def _listed(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{value:.6g}" for value in values[:12]) + (" ..." if len(values) > 12 else "")


def check_datalist(path: str | os.PathLike[str]) -> list[str]:
    """Name what is wrong with a list of cases in the form of the Medical Segmentation Decathlon.

    Args:
        path: a JSON file with the lists ``"training"``, ``"validation"`` and ``"test"`` (or some of them) of
            ``{"image": ..., "label": ..., "patient": ...}``, whose paths are relative to its folder.

    Returns:
        Sentences: patients and images in two sections, images listed twice, files that do not exist, cases without a
        patient. None where all is well.

    Example::

        check_datalist("prepared/datalist.json")  # []
    """
    return datalist_defects(json.loads(Path(path).read_text(encoding="utf-8")), Path(path).parent)


def datalist_defects(datalist: Mapping[str, Any], folder: Path) -> list[str]:
    """Do what :func:`check_datalist` does, with a list that has been read."""
    defects = []
    places: dict[str, dict[str, list[str]]] = {"patient": defaultdict(list), "image": defaultdict(list)}
    for section in SECTIONS:
        for case in datalist.get(section, []):
            for key, found in places.items():
                if key in case:
                    found[case[key]].append(section)
            if "patient" not in case:
                defects.append(f"{case['image']} has no patient: nobody can tell whether it is in two sections")
            missing = [case[key] for key in ("image", "label") if key in case and not (folder / case[key]).is_file()]
            defects += [f"{name} does not exist" for name in missing]
    for key, found in places.items():
        for name, sections in found.items():
            if len(set(sections)) > 1:
                defects.append(f"{key} {name} is in {' and '.join(dict.fromkeys(sections))}")
            elif key == "image" and len(sections) > 1:
                defects.append(f"image {name} is listed {len(sections)} times")
    return defects
