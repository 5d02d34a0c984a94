"""Names of the files of a comparison, and the folder of each of its trainings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

PLAN = "plan.json"  # of the comparison
TRAINING = "cell.json"  # what the training is to do
ROWS, COSTS, EXAMPLE = "rows.csv", "costs.json", "example.npz"  # what it leaves
WEIGHTS, LOG = "model.pt", "log.txt"  # of a training that is under way or failed
UNLABELLED = 255  # in the target of an example


class Cell(NamedTuple):
    """One training: a loss, a fold and a seed."""

    loss: str
    fold: int
    seed: int


def cell_folder(out: Path, cell: Cell) -> Path:
    """Where the results of a training are; it appears when they are complete.

    Example:
        >>> cell_folder(Path("comparison"), Cell("CE", 0, 2)).as_posix()
        'comparison/cells/CE/fold0_seed2'
    """
    slug = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in cell.loss).strip(".")
    if slug != cell.loss:  # "a b" is not to share a folder with "a_b"
        slug += "-" + hashlib.sha256(cell.loss.encode()).hexdigest()[:8]
    return out / "cells" / slug / f"fold{cell.fold}_seed{cell.seed}"


def partial_folder(out: Path, cell: Cell) -> Path:
    """Where a training works until its results are complete."""
    folder = cell_folder(out, cell)
    return folder.with_name(folder.name + ".partial")
