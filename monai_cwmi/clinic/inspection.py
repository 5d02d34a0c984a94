"""What one case holds, what is wrong with it, and what is wrong with it beside the others."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from monai.utils import optional_import

from monai_cwmi.clinic.checks import orientation_code
from monai_cwmi.clinic.pairing import Pair, patient_of
from monai_cwmi.clinic.problems import DefectError, Problem, one_line
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.segmentations import Classes, read_label, segment_names

if TYPE_CHECKING:
    from SimpleITK import Image

sitk, _ = optional_import("SimpleITK")

MODALITIES = ("CT", "MR", "PT", "NM", "US", "XA", "MG", "CR", "DX")  # what else the tag holds may be any text


@dataclass(frozen=True)
class Facts:
    """What is told of a case outside of the clinic: nothing that its voxels do not tell.

    Attributes:
        image_sha256, label_sha256: checksums of the voxels and their arrangement in the patient, whatever the type
            of numbers, the order of axes and the spacing.
        modality: as DICOM calls it, or ``"unknown"``.
        size, spacing: along the axes of the file, in voxels and mm.
        orientation: towards which sides of the patient the axes point, for example ``"LPS"``.
        intensity: the lowest and the highest value of the image.
        voxels: how many voxels the label has of each value but 0.
    """

    image_sha256: str
    label_sha256: str
    modality: str
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    orientation: str
    intensity: tuple[float, float]
    voxels: dict[int, int]


@dataclass
class Inspection:
    """What was found in one case.

    Attributes:
        pair: where its scan and label lie.
        patient: the patient, by the name that the clinic has for him or her.
        image_sha256: the checksum of the scan, if it could be read.
        facts: what the case holds, if all of it could be read.
        errors: why it cannot be used.
        warnings: what else is remarkable about it.
        segments: names of the segments by number, for a DICOM SEG whose classes were not given.
    """

    pair: Pair
    patient: str = ""
    image_sha256: str = ""
    facts: Facts | None = None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    segments: dict[int, str] = field(default_factory=dict)

    def problems(self) -> list[Problem]:
        """Return errors and warnings under the path of the scan."""
        found = [Problem("error", self.pair.image.path, message) for message in self.errors]
        return found + [Problem("warning", self.pair.image.path, message) for message in self.warnings]


def inspect_case(pair: Pair, classes: Classes, patient_pattern: str | None = None) -> Inspection:
    """Read a case and name everything that is wrong with it."""
    result = Inspection(pair)
    with _noted(result.errors):
        result.errors += _references_defects(pair)
    with _noted(result.errors):
        result.patient = patient_of(pair.image, patient_pattern)
    image, remarks = None, list[str]()
    with _noted(result.errors, "image: "):
        image = read_scan(pair.image, remarks)
        result.image_sha256 = _sha256(sitk.Cast(image, sitk.sitkFloat32))
        result.errors += [f"image: {defect}" for defect in _value_defects(image)]
    result.warnings += [f"image: {remark}" for remark in remarks]
    if image is None:
        return result
    with _noted(result.errors, f"label {pair.label.path}: "):
        label, remarks = read_label(pair.label, image, classes)
        result.warnings += [f"label {pair.label.path}: {remark}" for remark in remarks]
        if classes.names is None:
            result.segments = segment_names(pair.label)
        result.facts = _facts(result, image, label)
    return result


@contextmanager
def _noted(errors: list[str], about: str = "") -> Iterator[None]:
    """Add what is raised to the errors of a case: whatever libraries make of a file, it ends no run."""
    try:
        yield
    except DefectError as defect:
        errors += [about + message for message in defect.messages]
    except Exception as error:
        errors.append(f"{about}cannot be read: {type(error).__name__}: {one_line(error)}")


def _value_defects(image: Image) -> list[str]:
    array = sitk.GetArrayViewFromImage(image)
    strange = array.size - int(np.isfinite(array).sum()) if array.dtype.kind == "f" else 0
    return [f"{strange} voxels are not finite (NaN or infinite)"] if strange else []


def _facts(case: Inspection, image: Image, label: Image) -> Facts:
    array = sitk.GetArrayViewFromImage(image)
    values, numbers = np.unique(sitk.GetArrayViewFromImage(label), return_counts=True)
    modality = case.pair.image.modality
    return Facts(
        image_sha256=case.image_sha256,
        label_sha256=_sha256(label),
        modality=modality if modality in MODALITIES else "unknown",
        size=tuple(image.GetSize()),
        spacing=tuple(round(step, 6) for step in image.GetSpacing()),
        orientation=orientation_code(image),
        intensity=(float(array.min()), float(array.max())),
        voxels={int(value): int(number) for value, number in zip(values, numbers, strict=True) if value},
    )


def compare_cases(inspections: Sequence[Inspection]) -> None:
    """Add to each case what is wrong with it beside the others: duplicates, and segments of another meaning.

    Of cases that are the same in every respect the first is kept. Where patient, label or spacing differ nobody can
    tell which of them is right, and all are left out.
    """
    for twins in _groups(inspections, lambda case: [case.image_sha256]):
        kept, *copies = twins
        if len({case.patient for case in twins}) > 1:
            _blame(twins, "duplicate: the same voxels under another patient as in {}")
        elif len({case.facts.label_sha256 if case.facts else "" for case in twins}) > 1:
            _blame(twins, "duplicate: the same voxels with another label as in {}")
        elif len({_steps(case.facts) for case in twins if case.facts}) > 1:
            _blame(twins, "duplicate: the same voxels with another spacing as in {}")
        else:
            for copy in copies:
                copy.errors.append(f"duplicate: the same voxels and label as in {kept.pair.image}, which is used")
    for relatives in _groups(inspections, lambda case: [each.instance_uid for each in case.pair.image.slices]):
        if len({case.image_sha256 for case in relatives}) > 1:
            _blame(relatives, "duplicate: slices with the same SOPInstanceUID are in {}")
    for likes in _groups(inspections, lambda case: [case.facts.label_sha256] if case.facts else []):
        if len({case.image_sha256 for case in likes}) > 1 and likes[0].facts and likes[0].facts.voxels:
            for case in likes:
                others = ", ".join(str(other.pair.label) for other in likes if other is not case)
                case.warnings.append(f"label {case.pair.label.path}: is the same as that of another image: {others}")
    meanings: dict[int, tuple[str, Inspection]] = {}
    for case in inspections:
        for number, name in case.segments.items():
            first, owner = meanings.setdefault(number, (name, case))
            if name != first:
                case.errors.append(
                    f"label {case.pair.label.path}: segment {number} is {name!r}, but {first!r} in "
                    f"{owner.pair.label.path}: give the names of the classes"
                )


def _groups(cases: Sequence[Inspection], keys: Callable[[Inspection], Iterable[str]]) -> list[list[Inspection]]:
    """Return the different groups of two and more cases that share a key."""
    owners: dict[str, list[int]] = defaultdict(list)
    for index, case in enumerate(cases):
        for key in sorted(set(keys(case)) - {""}):
            owners[key].append(index)
    groups = sorted({tuple(group) for group in owners.values() if len(group) > 1})
    return [[cases[index] for index in group] for group in groups]


def _blame(cases: Sequence[Inspection], message: str) -> None:
    for case in cases:
        others = ", ".join(str(other.pair.image) for other in cases if other is not case)
        case.errors.append(message.format(others))


def _steps(facts: Facts) -> tuple[float, ...]:
    # To a micrometre, as formats round differently; sorted, as the axes of twins may be in another order.
    return tuple(sorted(round(step, 3) for step in facts.spacing))


def _sha256(image: Image) -> str:
    array = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "RAS"))
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(array.data)
    return digest.hexdigest()


def _references_defects(pair: Pair) -> list[str]:
    image, label = pair.image, pair.label
    defects = []
    if image.unreadable:
        defects.append(f"image: {image.unreadable} DICOM files beside it cannot be read and may be slices of it")
    if image.patient_id and label.patient_id and image.patient_id != label.patient_id:
        defects.append(f"label {label.path}: belongs to the patient {label.patient_id!r}, not {image.patient_id!r}")
    missing = label.references.get(image.series_uid, set()) - {each.instance_uid for each in image.slices}
    if missing:
        defects.append(f"slices are missing: the label {label.path} was drawn on {len(missing)} more")
    return defects
