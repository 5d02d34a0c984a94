"""Folders in the user's cache directory, each of which is there as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from monai.utils import optional_import

user_cache_path, _ = optional_import("platformdirs", name="user_cache_path")

CACHE_VARIABLE = "MONAI_CWMI_CACHE"


def find_cache(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Say where data sets are kept.

    Args:
        cache_dir: the folder. Default: the environment variable ``MONAI_CWMI_CACHE``, else the user's cache directory.

    Returns:
        The folder, which need not exist.
    """
    return Path(cache_dir or os.environ.get(CACHE_VARIABLE) or user_cache_path("monai_cwmi"))


def make_once(folder: Path, make: Callable[[Path, Path], None]) -> Path:
    """Make a folder unless it is there already.

    Args:
        folder: the folder. What is above it is made too.
        make: called with an empty folder to fill, and with another for its own temporary files. The first becomes
            ``folder`` by one rename, so that an interruption leaves nothing that looks finished.

    Returns:
        The folder.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A sibling is on the same file system, where a rename copies nothing.
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f".{folder.name}-", ignore_cleanup_errors=True
    ) as temporary:
        unfinished, scratch = Path(temporary) / folder.name, Path(temporary) / "scratch"
        unfinished.mkdir()
        scratch.mkdir()
        make(unfinished, scratch)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    return folder
