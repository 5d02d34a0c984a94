"""Lists of images for a MONAI data set, with errors that say what is missing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from monai.data import load_decathlon_datalist

from monai_cwmi.data.splits import split_by_group

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", *VOLUME_SUFFIXES)
# What prepare-dataset writes comes first: it may lie in a folder that has a dataset.json too.
DATALIST_NAMES = ("datalist.json", "dataset.json")
LABELLED_SECTIONS = ("training", "validation")
VALIDATION_SHARE = 0.2

_CHANNEL = re.compile(r"_(\d{4})$")

Case = dict[str, Any]


def load_datalist(source: str | os.PathLike[str], section: str, *, labelled: bool | None = None) -> list[Case]:
    """Read one section of a data set.

    Where the data set has no validation section, a fifth of the patients in its training section (at least one) become
    one, drawn with a fixed seed; the others remain the training section. The patient of a case is its ``"patient"``,
    else the name of its image.

    Args:
        source: a folder in the layout of the Medical Segmentation Decathlon (its ``dataset.json`` lists the cases), one
            in that of nnU-Net (``imagesTr``, ``labelsTr`` and a ``dataset.json`` without lists), the output of
            ``prepare-dataset``, or the path of a JSON file with such lists.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        labelled: whether each case must have a label. Default: yes, but in the test section.

    Returns:
        One dictionary for each case, with the absolute paths of its ``"image"`` (a list of paths, where nnU-Net keeps
        each channel in a file of its own) and, where there is one, ``"label"``.

    Raises:
        FileNotFoundError: When the source, or the list in it, does not exist.
        ValueError: When the list cannot be read, the section is missing or empty, a case that must have a label has
            none, a channel is missing, or there is neither a validation section nor a second patient to make one of.

    Example::

        load_datalist("my_dataset", "training")  # [{"image": ".../imagesTr/a.png", "label": ".../labelsTr/a.png"}]
    """
    path = _find_list(source)
    content = read_list(path)
    is_split = section in LABELLED_SECTIONS and not content.get("validation")
    cases = _list_cases(path, content, "training" if is_split else section)
    if not cases:
        raise ValueError(f"The section {section!r} of {path} lists no cases.")
    unlabelled = [case["image"] for case in cases if "label" not in case]
    if unlabelled and (section in LABELLED_SECTIONS if labelled is None else labelled):
        raise ValueError(f"The section {section!r} of {path} needs labels; there is none for: {_shorten(unlabelled)}.")
    return _split(path, cases, section) if is_split else cases


def load_class_names(source: str | os.PathLike[str]) -> list[str]:
    """Read the names of the classes of a data set.

    Args:
        source: as in :func:`load_datalist`.

    Returns:
        The names in the order of the class indices, the background's first.

    Raises:
        FileNotFoundError: When the source, or the list in it, does not exist.
        ValueError: When ``"labels"`` is missing, or is not one name for each of the indices 0, 1, 2 and so on. This is
            so for nnU-Net's regions. Also when there is but one class, or nnU-Net's ``"ignore"`` label.

    Example::

        load_class_names("my_dataset")  # ["background", "liver"]
    """
    path = _find_list(source)
    labels = read_list(path).get("labels")
    if not labels or not isinstance(labels, dict):
        raise ValueError(f'{path} does not name the classes: add "labels", as {{"0": "background", "1": "liver"}}.')
    # The Decathlon maps indices to names, nnU-Net names to indices.
    is_decathlon = all(str(key).isdecimal() for key in labels)
    names = {str(key if is_decathlon else value): str(value if is_decathlon else key) for key, value in labels.items()}
    if set(names) != {str(index) for index in range(len(labels))}:
        raise ValueError(
            f'The "labels" of {path} must name the class indices 0, 1, 2 ... once each, without a gap; got {labels}. '
            "Regions of several classes (nnU-Net) are not supported."
        )
    if len(names) < 2:
        raise ValueError(f'The "labels" of {path} name one class only; the background needs another beside it.')
    if "ignore" in names.values():
        raise ValueError(f'The "labels" of {path} hold an "ignore" label, which is no class and is not supported.')
    return [names[str(index)] for index in range(len(names))]


def count_channels(source: str | os.PathLike[str]) -> int:
    """Count the channels of the images of a data set.

    Args:
        source: as in :func:`load_datalist`.

    Returns:
        How many entries ``"channel_names"`` (nnU-Net) or ``"modality"`` (the Decathlon) has; 1 where there is neither.

    Raises:
        FileNotFoundError: When the source, or the list in it, does not exist.
        ValueError: When the list cannot be read.

    Example::

        count_channels("Task01_BrainTumour")  # 4
    """
    content = read_list(_find_list(source))
    names = content.get("channel_names") or content.get("modality")
    return len(names) if isinstance(names, dict) else 1


def is_dicom(path: str | os.PathLike[str]) -> bool:
    """Say whether a file has the mark of a DICOM file, whatever its name.

    Args:
        path: the file.

    Raises:
        OSError: When the file cannot be read.

    Example::

        is_dicom("my_scans/IM0001")  # True
    """
    with Path(path).open("rb") as file:
        file.seek(128)
        return file.read(4) == b"DICM"


def _find_list(source: str | os.PathLike[str]) -> Path:
    path = Path(source)
    if path.is_dir():
        path = next((path / name for name in DATALIST_NAMES if (path / name).is_file()), path)
    if not path.is_file():
        kind = "file" if path.suffix == ".json" else "folder"
        problem = f"has no {DATALIST_NAMES[1]} (or {DATALIST_NAMES[0]})" if path.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"The data set {kind} {path} {problem}. Fetch a sample with 'python -m monai_cwmi fetch-sample "
            "myelin_sem', or point dataset_dir at a folder in the Medical Segmentation Decathlon layout."
        )
    return Path(os.path.abspath(path))  # links stay: a data set may be made of them


def read_list(path: Path) -> dict[str, Any]:
    """The content of a ``dataset.json`` or ``datalist.json``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a JSON file: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} must hold an object with lists of cases, as {{"training": [...]}}.')
    return content


def _split(path: Path, cases: list[Case], section: str) -> list[Case]:
    patients = [patient_of(case) for case in cases]
    if len(set(patients)) > 1:
        parts = split_by_group(patients, (1 - VALIDATION_SHARE, VALIDATION_SHARE), seed=0)
        return [cases[index] for index in parts[LABELLED_SECTIONS.index(section)]]
    if section == "training":
        return cases
    raise ValueError(
        f"{path} has no validation section, and none can be made of the training section, which has one patient only. "
        'Add cases, or a "validation" list of its own; of two patients, prepare-dataset makes both sections with '
        "--fractions 0.5 0.5 0."
    )


def patient_of(case: Case) -> str:
    """The patient of a case: its ``"patient"``, else the name of its image."""
    patient = case.get("patient")
    return strip_suffix(_first(case["image"])) if patient is None else str(patient)


def _list_cases(path: Path, content: dict[str, Any], section: str) -> list[Case]:
    # Only nnU-Net lists nothing and says how its files end.
    if "file_ending" in content and not any(isinstance(content.get(name), list) for name in LABELLED_SECTIONS):
        return _list_nnunet_cases(path.parent, content, section)
    listed = content.get(section)
    if not listed:
        return []
    if all(isinstance(entry, str) for entry in listed):  # MONAI knows these in the test section only
        return [{"image": os.path.normpath(path.parent / entry)} for entry in listed]
    if not all(isinstance(entry, dict) and "image" in entry for entry in listed):
        raise ValueError(f'Each case in the section {section!r} of {path} must be an object with an "image".')
    cases: list[Case] = load_decathlon_datalist(path, data_list_key=section)
    # The first nnU-Net listed a_0.nii.gz for the files a_0_0000.nii.gz, a_0_0001.nii.gz.
    return [case | {"image": _channel_files(case["image"])} for case in cases]


def _list_nnunet_cases(folder: Path, content: dict[str, Any], section: str) -> list[Case]:
    suffix = {"training": "Tr", "test": "Ts"}.get(section, section)
    images, labels = (
        [path for path in visible(folder / f"{kind}{suffix}") if path.name.endswith(content["file_ending"])]
        for kind in ("images", "labels")
    )
    joined = join_channels(images)
    channels = content.get("channel_names", {"0": ""})
    odd = [files for files in joined if (len(files) if isinstance(files, list) else 1) != len(channels)]
    if odd:
        raise ValueError(f"Each case in {folder} has {len(channels)} channels by its list, but not: {_shorten(odd)}.")
    return pair_labels(joined, labels)


def pair_labels(images: Iterable[Path | list[Path]], labels: list[Path]) -> list[Case]:
    """Cases with the label of the same file name, else of the same name but for suffix and channel."""
    by_name = {path.name: path for path in labels}
    by_stem = {strip_suffix(path): path for path in labels}
    cases: list[Case] = []
    for image in images:
        name, stem = _first(image).name, strip_suffix(_first(image))
        label = by_name.get(name) or by_stem.get(stem) or by_stem.get(_CHANNEL.sub("", stem))
        files = [str(path) for path in image] if isinstance(image, list) else str(image)
        cases.append({"image": files} | ({"label": str(label)} if label else {}))
    return cases


def join_channels(paths: Iterable[Path]) -> list[Path | list[Path]]:
    """One entry for each case: its file, or the list of its files where there are several."""
    cases: dict[str, list[Path]] = {}
    for path in sorted(paths):
        cases.setdefault(_CHANNEL.sub("", strip_suffix(path)), []).append(path)
    return [files if len(files) > 1 else files[0] for files in cases.values()]


def _channel_files(image: str | list[str]) -> str | list[str]:
    if isinstance(image, list) or Path(image).exists():
        return image
    stem = image.removesuffix(Path(image).name) + strip_suffix(image)
    names = (f"{stem}_{channel:04d}{image.removeprefix(stem)}" for channel in count())
    files = list(takewhile(os.path.exists, names))
    return files if len(files) > 1 else files[0] if files else image


def visible(folder: Path) -> list[Path]:
    """What is in a folder, without the hidden files that macOS adds (``._a.nii.gz``)."""
    return sorted(path for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []


def strip_suffix(path: str | os.PathLike[str]) -> str:
    """The name of an image file without its suffix, of which ``.nii.gz`` is one."""
    name = Path(path).name
    suffix = max((end for end in IMAGE_SUFFIXES if name.lower().endswith(end)), key=len, default="")
    return name[: len(name) - len(suffix)]


def _first(image: Any) -> Path:
    return Path(image[0] if isinstance(image, list) else image)


def _shorten(names: list[Any]) -> str:
    shown = ", ".join(str(_first(name)) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
