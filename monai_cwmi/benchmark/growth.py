"""How the cost of the loss grows with the image, the batch, the classes and the pyramid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from monai_cwmi.benchmark.contestant_names import CWMI, FLOOR
from monai_cwmi.benchmark.contestants import make_growth_steps
from monai_cwmi.benchmark.speed import time_steps
from monai_cwmi.benchmark.timings import Growth, Timing
from monai_cwmi.benchmark.workload import Workload, default_device

_GROWN: dict[str, Callable[[Workload, int], Workload]] = {
    "size": lambda workload, value: replace(workload, size=(value, value)),
    "batch": lambda workload, value: replace(workload, batch=value),
    "classes": lambda workload, value: replace(workload, classes=value),
    "orientations": lambda workload, value: replace(workload, num_orientations=value),
    "levels": lambda workload, value: replace(workload, num_levels=value),
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


def measure_growth(
    *, device: str | None = None, repeats: int = 30, quantities: Mapping[str, Sequence[int]] = GROWTH
) -> list[Growth]:
    """Measure forward and backward passes of ``CWMILoss`` while one quantity grows at a time.

    The base workload is a float32 batch of 4 x 1 x 256 x 256 with ``K = 4`` and ``N = 4``. Several classes are channels
    with a softmax; the floor grows with them.

    Args:
        device: ``"cpu"`` or a CUDA device. Default: CUDA, if there is any.
        repeats: How many times each step is timed; see :func:`monai_cwmi.benchmark.measure_speed`.
        quantities: What grows, and through which values.

    Returns:
        One for each quantity and value, in their order. A workload that is in several series is measured once.

    Raises:
        ValueError: When a quantity is unknown, a number out of its range, or there is no such device.

    Example::

        for growth in measure_growth(quantities={"size": (128, 256)}):
            print(growth.value, growth.loss.median, growth.loss.ratio)
    """
    unknown = quantities.keys() - _GROWN.keys()
    if unknown:
        raise ValueError(f"quantities must be among {list(_GROWN)}, got {sorted(unknown)}.")
    base = Workload(batch=4, size=(256, 256), device=device or default_device())
    workloads = {
        (quantity, value): _GROWN[quantity](base, value) for quantity, values in quantities.items() for value in values
    }
    measured: dict[Workload, tuple[Timing, Timing]] = {}
    for (quantity, value), workload in workloads.items():
        if workload not in measured:
            timings = time_steps(make_growth_steps(workload), workload, repeats, f"{quantity} {value}")
            by_name = {timing.name: timing for timing in timings}
            measured[workload] = by_name[FLOOR], by_name[CWMI]
    return [Growth(*key, *measured[workload]) for key, workload in workloads.items()]
