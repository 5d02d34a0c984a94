"""What is wrong with an input, in words for the person who has to put it right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """One defect of the input.

    Attributes:
        severity: an ``"error"`` keeps the input out of the data set, a ``"warning"`` does not.
        source: the file or folder it is about.
        message: what is wrong, and what to do where that does not follow from it.
    """

    severity: Literal["error", "warning"]
    source: Path
    message: str

    def __str__(self) -> str:
        # A name that is not UTF-8 could not be printed.
        return f"{self.severity}: {self.source}: {self.message}".encode(errors="backslashreplace").decode()


class DefectError(ValueError):
    """Raised when a scan or a label cannot be used; it holds every reason that was found."""

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = list(messages)


def one_line(error: Exception) -> str:
    """Return the text of an error as one line, and what kind of error it is where it has no text."""
    return " ".join(str(error).split()) or type(error).__name__
