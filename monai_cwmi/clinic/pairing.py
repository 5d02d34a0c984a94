"""Which label belongs to which scan, and which scan to which patient."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from monai_cwmi.clinic.problems import DefectError, Problem
from monai_cwmi.clinic.sources import Source

# Words that tell a scan's name from its label's; 0000 is nnU-Net's first channel.
WORDS = {"image", "img", "volume", "scan", "label", "labels", "seg", "segmentation", "mask", "0000"}


@dataclass(frozen=True)
class Pair:
    """A scan and its label."""

    image: Source
    label: Source


def pair_sources(images: Sequence[Source], labels: Sequence[Source]) -> tuple[list[Pair], list[Problem]]:
    """Find the scan of each label.

    The first of these rules that finds any scan decides:

    1. DICOM SEG: the scan has the SeriesInstanceUID that the segmentation refers to; where it refers to none, its
       StudyInstanceUID.
    2. The same path below the two folders, suffixes aside (a DICOM series has the path of its folder).
    3. The same, without regard to case and to the words in ``WORDS``: ``P07/volume.nii`` and ``p07_seg.nrrd``.
    4. The same topmost folder, that of a patient; a file outside of all folders counts as one of its own name.

    Where a rule finds several scans for a label, or two labels claim one scan, none of them is taken.

    Returns:
        The pairs, in the order of the labels, and a problem for each scan or label that is in none.
    """
    problems: list[Problem] = []
    claims: dict[int, list[Source]] = defaultdict(list)
    contested: set[int] = set()
    for label in labels:
        try:
            candidates = _candidates(label, images)
        except DefectError as defect:
            problems.append(Problem("error", label.path, str(defect)))
            continue
        if len(candidates) == 1:
            claims[candidates[0]].append(label)
        elif candidates:
            names = ", ".join(str(images[index]) for index in candidates)
            problems.append(Problem("error", label.path, f"could belong to {len(candidates)} scans: {names}"))
            contested.update(candidates)
        else:
            problems.append(Problem("error", label.path, "label without an image"))
    pairs = []
    labelled = {_owner(images[index]) for index in claims}
    for index, image in enumerate(images):
        found = claims.get(index, [])
        if len(found) == 1:
            pairs.append(Pair(image, found[0]))
        elif found:
            names = ", ".join(str(label) for label in found)
            problems.append(Problem("error", image.path, f"is claimed by {len(found)} labels: {names}"))
        elif _owner(image) in labelled:  # a study has localizers and other series that nobody meant to label
            problems.append(
                Problem("warning", image.path, f"image without a label{_uid(image)}; its patient has another, with one")
            )
        elif index not in contested:
            problems.append(Problem("error", image.path, f"image without a label{_uid(image)}"))
    return pairs, problems


def patient_of(image: Source, pattern: str | None = None) -> str:
    """Name the patient of a scan.

    Args:
        image: the scan.
        pattern: a regular expression to search for in the scan's path below the folder; its first group, or all of
            it, is the patient. Default: PatientID, where there is none the topmost folder, where there is none the
            file's name.

    Raises:
        DefectError: When the pattern does not occur.
    """
    if pattern is None:
        return _owner(image)
    path = "/".join(image.key)
    match = re.search(pattern, path)
    if match is None:
        raise DefectError(f"the patient pattern {pattern!r} does not occur in {path!r}")
    return match[1] if match.re.groups else match[0]


def _candidates(label: Source, images: Sequence[Source]) -> list[int]:
    if label.references:
        found = [index for index, image in enumerate(images) if image.series_uid in label.references]
        if not found and any(image.study_uid == label.study_uid != "" for image in images):
            raise DefectError(f"refers to a series that is not among the images: {', '.join(label.references)}")
        if found:
            return found
    elif label.kind == "segmentation":
        found = [index for index, image in enumerate(images) if image.study_uid == label.study_uid != ""]
        if found:
            return found
    for name in (lambda source: source.key, _plain, lambda source: (_plain(source) or source.key)[:1]):
        found = [index for index, image in enumerate(images) if name(image) == name(label) != ()]
        if found:
            return found
    return []


def _plain(source: Source) -> tuple[str, ...]:
    parts = (
        "_".join(word for word in re.split(r"[-_.\s]+", part.casefold()) if word and word not in WORDS)
        for part in source.key
    )
    return tuple(part for part in parts if part)


def _owner(image: Source) -> str:
    return image.patient_id or "/".join(image.key[:1])


def _uid(image: Source) -> str:
    return f" (DICOM series {image.series_uid})" if image.kind == "series" else ""
