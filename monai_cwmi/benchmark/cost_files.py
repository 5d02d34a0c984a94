"""Measurements as files: every number as JSON, and a chart."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from monai_cwmi.benchmark.machine import environment
from monai_cwmi.benchmark.timings import Growth, Timing, device_of
from monai_cwmi.benchmark.workload import dtype_name


def save_speed(timings: Sequence[Timing], folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``speed.json``, which holds every number, and the chart ``speed.png``.

    Args:
        timings: What :func:`monai_cwmi.benchmark.measure_speed` returned.
        folder: Where to; made if it is not there.

    Returns:
        The two files.

    Raises:
        ImportError: Without matplotlib; ``speed.json`` is written all the same.
        ValueError: When there are no timings.

    Example::

        save_speed(measure_speed([(256, 256)], batch=2), "results")
    """
    path = _save_json(Path(folder) / "speed.json", device_of(timings), map(_record, timings))
    return [path, _charts(path).draw_speed(timings, path.with_suffix(".png"))]


def save_growth(growths: Sequence[Growth], folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``growth.json``, which holds every number, and the chart ``growth.png``.

    Args:
        growths: What :func:`monai_cwmi.benchmark.measure_growth` returned.
        folder: Where to; made if it is not there.

    Returns:
        The two files.

    Raises:
        ImportError: Without matplotlib; ``growth.json`` is written all the same.
        ValueError: When there are no measurements.

    Example::

        save_growth(measure_growth(quantities={"size": (128, 256)}), "results")
    """
    records = (
        {"quantity": quantity, "value": value, **_record(timing)}
        for quantity, value, *timings in growths
        for timing in timings
    )
    path = _save_json(Path(folder) / "growth.json", device_of([growth.loss for growth in growths]), records)
    return [path, _charts(path).draw_growth(growths, path.with_suffix(".png"))]


def _save_json(path: Path, device: str, records: Iterable[dict[str, Any]]) -> Path:
    content = {"environment": environment(device), "records": list(records)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    return path


def _record(timing: Timing) -> dict[str, Any]:
    numbers = {
        "median_s": timing.median,
        "iqr_s": timing.spread,
        "ratio_to_floor": timing.ratio,
        "share_of_network_step": timing.network_share,
        "peak_bytes": timing.peak_bytes,
        "peak_over_prediction": timing.peak_multiple,
    }
    return {
        "contestant": timing.name,
        **{name: value for name, value in vars(timing.workload).items() if name != "dtype"},
        "dtype": dtype_name(timing.workload.dtype),
        "repeats": len(timing.times),
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "times_s": list(timing.times),
        "error": timing.error or None,
    }


def _charts(written: Path) -> ModuleType:
    """The module that draws: imported after the numbers are written, because matplotlib is optional."""
    try:
        import monai_cwmi.benchmark.cost_charts as charts
    except ImportError as error:
        message = f"{written} is written, but charts need matplotlib: pip install 'monai-cwmi[bundle]'"
        raise ImportError(message) from error
    return charts
