"""What a download is: files in folders of certain names, and how they become a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import

from monai_cwmi.data.datalists import visible
from monai_cwmi.data.pictures import load_picture
from monai_cwmi.data.splits import split_by_group
from monai_cwmi.data.writing import Case, picture_case

tifffile, _ = optional_import("tifffile")
tqdm, _ = optional_import("tqdm", name="tqdm")

OUTSIDE = 2  # of the field of view: the index behind those of the two classes
COLOUR = {"0": "red", "1": "green", "2": "blue"}


@dataclass(frozen=True)
class Pair:
    """An image of a download and its label.

    Attributes:
        image: the file of the image.
        label: the file of the label.
        part: the part of the download in which they lie, where it has several.
        field: the file that shows where the image is labelled, where there is one.
    """

    image: Path
    label: Path
    part: str = ""
    field: Path | None = None


@dataclass(frozen=True)
class Download:
    """A data set that users download themselves.

    Attributes:
        source: where it is obtained.
        patterns: of files that say where it begins, as in :func:`find_root`.
        find: finds the files that are needed in the folder where the download begins.
        prepare: called with these and an empty folder, writes the data set there.
    """

    source: str
    patterns: Sequence[str]
    find: Callable[[Path], list[Pair]]
    prepare: Callable[[Sequence[Pair], Path], None]


def find_root(folder: Path, *patterns: str) -> Path:
    """Find where a download begins: in the folder, or in a folder inside it, as archives often unpack.

    Args:
        folder: what the user names.
        patterns: of files that a download has, seen from where it begins; those of one pattern suffice.

    Raises:
        FileNotFoundError: When no such file is there.
        ValueError: When several downloads are there.
    """
    inner = [path for path in visible(folder) if path.is_dir()]
    roots = [root for root in (folder, *inner) if any(list_files(root, pattern) for pattern in patterns)]
    if not roots:
        raise FileNotFoundError(f"There is no {' and no '.join(patterns)} in {folder}, nor in a folder inside it.")
    if len(roots) > 1:
        raise ValueError(f"There are several downloads: {', '.join(map(str, roots))}. Give one of these folders.")
    return roots[0]


def list_files(root: Path, pattern: str) -> list[Path]:
    """The files of a pattern in order, without the hidden ones that macOS adds (``._a.bmp``)."""
    return sorted(path for path in root.glob(pattern) if path.name[0] != ".")


def pair_files(expected: Mapping[Path, Path], labels: Iterable[Path], part: str = "") -> list[Pair]:
    """Put images and labels together.

    Args:
        expected: the label that each image must have.
        labels: the labels that are there.
        part: as in :class:`Pair`.

    Raises:
        FileNotFoundError: When a label has no image, or an image no label.
    """
    there = set(labels)
    for image, label in expected.items():
        if label not in there:
            raise FileNotFoundError(f"The image {image} has no label: there is no {label}.")
    strangers = sorted(there - set(expected.values()))
    if strangers:
        raise FileNotFoundError(f"The label {strangers[0]} has no image.")
    return [Pair(image, label, part) for image, label in expected.items()]


def split_pairs(pairs: Sequence[Pair], fractions: Mapping[str, float]) -> dict[str, list[Pair]]:
    """Draw sections, always the same for the same names of images.

    Args:
        pairs: what is split.
        fractions: the share of each section.
    """
    parts = split_by_group([pair.image.stem for pair in pairs], list(fractions.values()), seed=0)
    return {section: [pairs[index] for index in part] for section, part in zip(fractions, parts, strict=True)}


def order_sections(patients: Sequence[str]) -> list[str]:
    """Make sections by the order of names.

    The last third of the patients is the test section. Of the others the last fifth is the validation section. Parts
    are rounded to the nearest number of patients, but each section has one at least.

    Args:
        patients: the patient of each case.

    Returns:
        The section of each case.

    Raises:
        ValueError: When there are fewer than three patients.

    Example::

        order_sections(["a", "a", "b", "c"])  # ["training", "training", "validation", "test"]
    """
    names = sorted(set(patients))
    if len(names) < 3:
        raise ValueError(
            f"Three sections cannot be made of {len(names)} only: {', '.join(names)}. Unpack the whole download."
        )
    test = round(len(names) / 3)
    validation = max(1, round((len(names) - test) / 5))
    training = len(names) - test - validation
    sections = ["training"] * training + ["validation"] * validation + ["test"] * test
    section_of = dict(zip(names, sections, strict=True))
    return [section_of[patient] for patient in patients]


@contextmanager
def advise(image: Path, label: Path) -> Iterator[None]:
    """Add to an error about the files of a case what can be done about it.

    Args:
        image: the file of the image.
        label: the file, or the folder, of the label.

    Raises:
        ValueError: When the code inside does.

    Example::

        with advise(Path("a.jpg"), Path("a.png")):
            read_colour(Path("a.jpg"))
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{error} Download it again, or leave this case out: remove {image} and {label}.") from error


def colour_cases(sections: Mapping[str, Sequence[Pair]], read_label: Callable[[Path], np.ndarray]) -> Iterator[Case]:
    """Cases of colour images, read one at a time. Outside the field of view, labels have an index of their own.

    Args:
        sections: the pairs of each.
        read_label: reads a label as a mask (H, W) of the foreground.

    Raises:
        ValueError: When a file cannot be read, or an image and its label differ in size.
    """
    listed = [(section, pair) for section, pairs in sections.items() for pair in pairs]
    for section, pair in progress(listed, "Preparing"):
        image, label = read_colour(pair.image), read_label(pair.label).astype(np.uint8)
        check_sizes(pair, image, label)
        if pair.field:
            field = read_mask(pair.field)
            check_sizes(replace(pair, label=pair.field), image, field)
            if not field.any():
                raise ValueError(f"{pair.field} shows no field of view: it is black all over. Download it again.")
            label[~field] = OUTSIDE
        yield picture_case(section, pair.image.stem, image, label)


def check_sizes(pair: Pair, image: np.ndarray, label: np.ndarray) -> None:
    """Refuse a pair of different sizes."""
    if image.shape[:2] != label.shape:
        sizes = [" x ".join(map(str, size)) for size in (label.shape, image.shape[:2])]
        raise ValueError(f"The label {pair.label} has {sizes[0]} pixels and its image {pair.image} has {sizes[1]}.")


def read_colour(path: Path) -> np.ndarray:
    """An image (H, W, 3) of 8 bits."""
    values = load_picture(path, 3)
    if values.min() < 0 or values.max() > 255:
        raise ValueError(f"{path} holds values from {values.min():g} to {values.max():g} instead of 0 to 255.")
    return values.round().astype(np.uint8)


def read_mask(path: Path) -> np.ndarray:
    """The mask (H, W) in a black and white picture, whatever number is white in it."""
    values = load_picture(path, 1)
    return values > values.max() / 2


def read_stack(path: Path) -> np.ndarray:
    """The pages of a TIFF file, (pages, H, W).

    Args:
        path: the file.

    Raises:
        ValueError: When it cannot be read.
    """
    try:
        stack: np.ndarray = tifffile.imread(path)
    except (OSError, ValueError, tifffile.TiffFileError) as error:  # no ValueError in old versions
        raise ValueError(f"{path} cannot be read as a stack of images: {error}. Download it again.") from error
    return stack


def progress(items: Sequence[Any], name: str) -> Any:
    """Go through images with a progress bar, where there is a terminal to show it."""
    return tqdm(items, desc=name, unit=" images", disable=None)
