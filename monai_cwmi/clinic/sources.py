"""The scans and labels that lie in a folder."""

from __future__ import annotations

import codecs
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from monai.utils import optional_import

from monai_cwmi.clinic.problems import Problem, one_line
from monai_cwmi.data.datalists import VOLUME_SUFFIXES, is_dicom

pydicom, _ = optional_import("pydicom")
tqdm, _ = optional_import("tqdm", name="tqdm")

DETACHED_SUFFIXES = (".raw", ".zraw")  # voxels that a header in a file of its own points to
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # bit frames, label map
TEXT_SAMPLE = 4096  # bytes
DIRECTORY_CLASS = "1.2.840.10008.1.3.10"  # the table of contents on a disc
HEADER = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "Modality"]
HEADER += ["Rows", "Columns", "NumberOfFrames", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"]
HEADER += ["ReferencedSeriesSequence"]


@dataclass(frozen=True)
class Slice:
    """What the header of one DICOM file says about its picture; lengths in mm, ``()`` where a tag is missing."""

    path: Path
    instance_uid: str
    size: tuple[int, int]  # rows, columns
    frames: int
    spacing: tuple[float, ...]
    position: tuple[float, ...]
    orientation: tuple[float, ...]


@dataclass(frozen=True)
class Source:
    """One scan or label as it lies in a folder.

    Attributes:
        path: the file; for a DICOM series, the folder of its files.
        key: the path below the folder that was searched, without the suffix; for a series, that of its folder. Letters
            with accents are in their composed form (NFC), however the file system spells them.
        kind: ``"file"``, a DICOM ``"series"`` or a DICOM ``"segmentation"``.
        slices: headers of the files of a series.
        patient_id, study_uid, series_uid, modality: tags of DICOM, empty elsewhere.
        unreadable: how many files beside those of a series are DICOM files that cannot be read.
        references: of a segmentation, the instances that it says it was drawn on, for each series.
    """

    path: Path
    key: tuple[str, ...]
    kind: Literal["file", "series", "segmentation"] = "file"
    slices: tuple[Slice, ...] = ()
    patient_id: str = ""
    study_uid: str = ""
    series_uid: str = ""
    modality: str = ""
    unreadable: int = 0
    references: dict[str, set[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.path} (DICOM series {self.series_uid})" if self.kind == "series" else str(self.path)


def find_sources(folder: Path) -> tuple[list[Source], list[Problem]]:
    """Find the scans and labels in a folder and the folders in it.

    Files are known as NIfTI, NRRD, MHA or MHD by their suffixes, and as DICOM by their content. DICOM files belong to
    one source when they share a SeriesInstanceUID and the topmost folder. Files whose name begins with a dot are not
    looked at, and links to folders are not followed.

    Args:
        folder: where to look.

    Returns:
        The sources, sorted by path, and problems: files that cannot be read, and what was passed over.

    Raises:
        FileNotFoundError: When there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"The folder {folder} does not exist.")
    sources, problems, passed_over = [], [], Counter[str]()
    datasets: dict[tuple[str, str], list[tuple[Path, Any]]] = defaultdict(list)
    found, unreadable = _files(folder)
    problems += unreadable
    for path in tqdm(found, desc=f"Looking into {folder}", unit=" files", disable=None):
        suffix = next((suffix for suffix in VOLUME_SUFFIXES if path.name.lower().endswith(suffix)), None)
        try:
            other = _no_file(path)
        except OSError as error:  # its folder tells names and nothing else
            problems.append(Problem("error", path, f"cannot be read ({error.strerror}): allow it"))
            continue
        if not _is_utf8(path):  # ITK would end the process
            problems.append(Problem("error", path, "its name or that of its folder is not UTF-8: rename it"))
        elif other:
            passed_over[other] += 1
        elif suffix is not None:
            sources.append(Source(path, _key(path, folder, suffix)))
        else:
            try:
                if not _looks_like_dicom(path):
                    if _suffix(path) not in DETACHED_SUFFIXES:
                        passed_over[path.suffix or "no suffix"] += 1
                    continue
                dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=HEADER)
                if "SOPClassUID" not in dataset:
                    raise ValueError("it has no SOPClassUID")
                kind = str(dataset.SOPClassUID)
                parts = path.relative_to(folder).parts
                group = (parts[0] if len(parts) > 1 else "", str(dataset.get("SeriesInstanceUID", "")))
                if kind in SEGMENTATION_CLASSES:
                    sources.append(_segmentation(path, _key(path, folder, path.suffix), dataset))
                elif "Rows" in dataset:
                    datasets[group].append((path, dataset))
                elif kind != DIRECTORY_CLASS:
                    passed_over[f"DICOM {dataset.get('Modality', '')}".strip()] += 1
            except Exception as error:  # pydicom raises whatever a damaged file leads it to
                problems.append(Problem("error", path, f"is no readable DICOM file: {one_line(error)}"))
    for files in datasets.values():
        try:
            sources.append(_series(folder, files, [problem.source for problem in problems]))
        except Exception as error:  # as above: a value that its tag does not allow
            problems.append(Problem("error", files[0][0].parent, f"holds a damaged DICOM header: {one_line(error)}"))
    if passed_over:
        kinds = ", ".join(f"{number} x {kind}" for kind, number in sorted(passed_over.items()))
        problems.append(Problem("warning", folder, f"holds files that are no images and were passed over: {kinds}"))
    return sorted(sources, key=lambda source: (source.path, source.series_uid)), problems


def _files(folder: Path) -> tuple[list[Path], list[Problem]]:
    """Return the files in a folder and the folders in it, and those links to folders; and folders nobody can read."""
    found, problems = [], []

    def note(error: OSError) -> None:
        reason = error.strerror or one_line(error)
        message = (
            f"the folder cannot be read, whatever it holds is left out ({reason}): allow it, and give the command again"
        )
        problems.append(Problem("error", Path(error.filename or folder), message))

    for root, folders, names in os.walk(folder, onerror=note):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        found += [Path(root, name) for name in names + links if not name.startswith(".")]
    return sorted(found), problems


def _no_file(path: Path) -> str:
    """Return what a path is that is no file, and no link to nothing either."""
    if path.is_dir():
        return "linked folder (not followed)"
    # To read a pipe may take for ever.
    return "pipe, socket or device" if path.exists() and not path.is_file() else ""


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(path: Path, folder: Path, suffix: str = "") -> tuple[str, ...]:
    parts = Path(str(path)[: len(str(path)) - len(suffix)]).relative_to(folder).parts
    return tuple(unicodedata.normalize("NFC", part) for part in parts)


def _suffix(path: Path) -> str:
    # Files named after their UID end in a number, which is no suffix.
    return "" if path.suffix[1:].isdigit() else path.suffix.lower()


def _looks_like_dicom(path: Path) -> bool:
    if _suffix(path) in DICOM_SUFFIXES or is_dicom(path):
        return True
    # Damage may have taken the prefix: what its neighbours of the same suffix are, a file is meant to be. Not so a
    # text, which viewers put beside slices that have no suffix.
    neighbours = (other for other in sorted(path.parent.iterdir())[:8] if other.is_file() and other != path)
    return any(_suffix(other) == _suffix(path) and is_dicom(other) for other in neighbours) and not _is_text(path)


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        content = file.read(TEXT_SAMPLE)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    # Numbers of 16 and 32 bits, of which a slice is full, have bytes that are 0; what is hardly ASCII is garbage.
    return b"\0" not in content and 2 * sum(byte < 0x80 for byte in content) > len(content)


def _segmentation(path: Path, key: tuple[str, ...], dataset: Any) -> Source:
    references = {
        str(series.SeriesInstanceUID): {
            str(instance.ReferencedSOPInstanceUID) for instance in series.get("ReferencedInstanceSequence", [])
        }
        for series in dataset.get("ReferencedSeriesSequence", [])
    }
    return Source(path, key, "segmentation", references=references, **_identity(dataset))


def _series(folder: Path, files: Sequence[tuple[Path, Any]], damaged: Sequence[Path]) -> Source:
    slices = [_slice(path, dataset) for path, dataset in files]
    folders = {path.parent for path, _ in files}
    place = Path(os.path.commonpath(folders))
    unreadable = sum(path.parent in folders for path in damaged)
    identity = _identity(files[0][1]) | {"unreadable": unreadable}
    return Source(place, _key(place, folder), "series", tuple(slices), **identity)


def _identity(dataset: Any) -> dict[str, Any]:
    return {
        "patient_id": str(dataset.get("PatientID", "") or "").strip(),
        "study_uid": str(dataset.get("StudyInstanceUID", "")),
        "series_uid": str(dataset.get("SeriesInstanceUID", "")),
        "modality": str(dataset.get("Modality", "")),
    }


def _slice(path: Path, dataset: Any) -> Slice:
    return Slice(
        path=path,
        instance_uid=str(dataset.SOPInstanceUID),
        size=(int(dataset.Rows), int(dataset.Columns)),
        frames=int(dataset.get("NumberOfFrames") or 1),
        spacing=_numbers(dataset.get("PixelSpacing")),
        position=_numbers(dataset.get("ImagePositionPatient")),
        orientation=_numbers(dataset.get("ImageOrientationPatient")),
    )


def _numbers(values: Any) -> tuple[float, ...]:
    if values is None:
        return ()
    return tuple(map(float, values if isinstance(values, Iterable) else [values]))
