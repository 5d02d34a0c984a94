"""Files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path, unfinished: Path) -> Iterator[None]:
    """Give a file its name when it is written to the end and on the disk.

    A killed process leaves at most the unfinished file, over which the next run writes.

    Args:
        path: the name that it is to have.
        unfinished: the name under which the code inside writes it, on the same disk.

    Raises:
        OSError: When it cannot be written; nothing is left of it then, and what had the name before is still there.

    Example::

        with whole_file(Path("a.csv"), Path("a.csv.partial")):
            Path("a.csv.partial").write_text(text)
    """
    try:
        yield
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)  # its room may be needed
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OSError(f"{path} cannot be written: {reason}") from error
