"""Files that are either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def save_whole(content: Any, path: str | os.PathLike[str]) -> None:
    """Save with ``torch.save`` so that an interruption at any moment leaves the old file or the new one.

    Args:
        content: what to save.
        path: the file; its folder is made when needed.

    Example::

        save_whole(network.state_dict(), "models/model.pt")
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    with temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
