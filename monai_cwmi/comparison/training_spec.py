"""All that one training needs to know, as the comparison writes it and the training's process reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monai_cwmi.comparison.bundle_config import Bundle
from monai_cwmi.comparison.cell_files import TRAINING
from monai_cwmi.comparison.folds import Sections


@dataclass(frozen=True)
class Training:
    """One training of a comparison.

    Attributes:
        loss: Name of the loss.
        fold: Which fold is tested.
        seed: Of weights, batches and augmentation.
        bundle: What is trained.
        loss_id: Name of the loss's entry in the bundle.
        loss_config: The entry that takes its place.
        maps: Entries of the transforms that append maps to the label.
        starts: Attributes of the loss that are 0 at first, and for how many epochs; a number below 1 is a share of
            all epochs.
        sections: The cases of the fold.
        foreground: The class that metrics of shape and topology are about.
        component_value: Which components metrics of topology count.
        threads: On a CPU.
    """

    loss: str
    fold: int
    seed: int
    bundle: Bundle
    loss_id: str
    loss_config: dict[str, Any]
    maps: list[dict[str, Any]]
    starts: dict[str, float]
    sections: Sections
    foreground: int
    component_value: int
    threads: int

    def write(self, folder: Path) -> None:
        """Write ``cell.json``."""
        (folder / TRAINING).write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Training:
        """Read the ``cell.json`` that :meth:`write` wrote.

        Raises:
            ValueError: When the file is not there or does not hold a training.
        """
        path = folder / TRAINING
        try:
            entries = json.loads(path.read_text())
            return cls(**entries | {"bundle": Bundle(**entries["bundle"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path} does not describe a training ({type(error).__name__}: {error}). Repeat the command of the "
                "comparison, which writes it anew."
            ) from None  # the message of a training that failed is that of the first cause
