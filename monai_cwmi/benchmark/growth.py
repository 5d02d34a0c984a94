"""How the cost of the loss grows with the image, the batch, the classes and the pyramid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from monai_cwmi.benchmark.contestants import CWMI, FLOOR, make_growth_steps
from monai_cwmi.benchmark.speed import Timing, time_steps
from monai_cwmi.benchmark.workload import Case, default_device

_GROWN: dict[str, Callable[[Case, int], Case]] = {
    "size": lambda case, value: replace(case, size=(value, value)),
    "batch": lambda case, value: replace(case, batch=value),
    "classes": lambda case, value: replace(case, classes=value),
    "orientations": lambda case, value: replace(case, num_orientations=value),
    "levels": lambda case, value: replace(case, num_levels=value),
}

GROWTH: Mapping[str, Sequence[int]] = MappingProxyType(
    {
        "size": (64, 128, 256, 512, 1024),
        "batch": (1, 2, 4, 8, 16),
        "classes": (1, 2, 4, 8),
        "orientations": (2, 3, 4, 6, 8, 12, 16),
        "levels": (1, 2, 3, 4, 5, 6),
    }
)


class Growth(NamedTuple):
    """The cost of the loss at one value of one quantity.

    Attributes:
        quantity: What grows: ``"size"`` (side of a square image in pixels), ``"batch"``, ``"classes"``,
            ``"orientations"`` or ``"levels"``.
        value: Its value; everything else is as in the base case.
        floor: Time of the transforms.
        loss: Time of ``CWMILoss``.
    """

    quantity: str
    value: int
    floor: Timing
    loss: Timing


def measure_growth(
    *, device: str | None = None, repeats: int = 30, quantities: Mapping[str, Sequence[int]] = GROWTH
) -> list[Growth]:
    """Measure forward and backward passes of ``CWMILoss`` while one quantity grows at a time.

    The base case is a float32 batch of 4 x 1 x 256 x 256 with ``K = 4`` and ``N = 4``. Several classes are channels
    with a softmax; the floor grows with them.

    Args:
        device: ``"cpu"`` or a CUDA device. Default: CUDA, if there is any.
        repeats: How many times each step is timed; see :func:`monai_cwmi.benchmark.measure_speed`.
        quantities: What grows, and through which values.

    Returns:
        One for each quantity and value, in their order. A case that is in several series is measured once.

    Raises:
        ValueError: When a quantity is unknown, a number out of its range, or there is no such device.

    Example::

        for growth in measure_growth(quantities={"size": (128, 256)}):
            print(growth.value, growth.loss.median, growth.loss.ratio)
    """
    unknown = quantities.keys() - _GROWN.keys()
    if unknown:
        raise ValueError(f"quantities must be among {list(_GROWN)}, got {sorted(unknown)}.")
    base = Case(batch=4, size=(256, 256), device=device or default_device())
    cases = {
        (quantity, value): _GROWN[quantity](base, value) for quantity, values in quantities.items() for value in values
    }
    measured: dict[Case, tuple[Timing, Timing]] = {}
    for (quantity, value), case in cases.items():
        if case not in measured:
            timings = time_steps(make_growth_steps(case), case, repeats, f"{quantity} {value}")
            by_name = {timing.name: timing for timing in timings}
            measured[case] = by_name[FLOOR], by_name[CWMI]
    return [Growth(*key, *measured[case]) for key, case in cases.items()]
