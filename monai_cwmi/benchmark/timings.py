"""The records of a benchmark: the cost of one step, and of the loss as one quantity grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from monai_cwmi.benchmark.workload import Workload


@dataclass(frozen=True)
class Timing:
    """Time and memory of one contestant's step. What could not be measured is NaN.

    Attributes:
        name: The contestant.
        workload: What it worked on.
        times: Time of each repeat, in seconds.
        peak_bytes: The most memory that a step held beyond what was held before it; see
            :func:`monai_cwmi.benchmark.memory.peak_memory`.
        ratio: Median time over that of the floor.
        network_share: Median time over that of a network's training step.
        error: Why the contestant failed, or nothing.
    """

    name: str
    workload: Workload
    times: tuple[float, ...]
    peak_bytes: float = math.nan
    ratio: float = math.nan
    network_share: float = math.nan
    error: str = ""

    @property
    def median(self) -> float:
        """Median over the repeats, in seconds."""
        return self._quantile(0.5)

    @property
    def spread(self) -> float:
        """Interquartile range over the repeats, in seconds."""
        return self._quantile(0.75) - self._quantile(0.25)

    @property
    def peak_multiple(self) -> float:
        """Peak memory over that of the prediction ``(B, C, spatial)`` in its dtype."""
        return self.peak_bytes / self.workload.prediction_bytes

    def _quantile(self, q: float) -> float:
        return torch.tensor(self.times, dtype=torch.float64).quantile(q).item() if self.times else math.nan


class Growth(NamedTuple):
    """The cost of the loss at one value of one quantity.

    Attributes:
        quantity: What grows: ``"size"`` (side of a square image in pixels), ``"batch"``, ``"classes"``,
            ``"orientations"`` or ``"levels"``.
        value: Its value; everything else is that of the base workload.
        floor: Time of the transforms.
        loss: Time of ``CWMILoss``.
    """

    quantity: str
    value: int
    floor: Timing
    loss: Timing


def device_of(timings: Sequence[Timing]) -> str:
    """The device that timings were measured on.

    Raises:
        ValueError: When there are no timings.
    """
    if not timings:
        raise ValueError("there are no measurements.")
    return timings[0].workload.device
