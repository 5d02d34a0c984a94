"""Measurements as tables to print and as files."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from monai_cwmi.benchmark.growth import Growth
from monai_cwmi.benchmark.speed import Timing
from monai_cwmi.benchmark.workload import Case, dtype_name

_WIDTH = 120


def speed_table(timings: Sequence[Timing]) -> str:
    """A table for each size of what :func:`monai_cwmi.benchmark.measure_speed` returned, as text.

    Raises:
        ValueError: When there are no timings.
    """
    lines = _heading(timings)
    lines += ["Memory: the most that a step holds beyond what is held before it; in MB, and over the prediction's."]
    columns = f"{'median':>12}{'IQR':>12}{'repeats':>9}{'x floor':>10}{'of network':>12}{'memory':>13}{'x pred.':>9}"
    for case, group in groupby(timings, key=lambda timing: timing.case):
        lines += ["", describe(case), f"{'':<27}{columns}"]
        for t in group:
            if t.error:
                lines.append(_failure(t.name, t.error, 27))
                continue
            time = f"{1e3 * t.median:9.2f} ms{1e3 * t.spread:9.2f} ms{len(t.times):9d}"
            share = f"{100 * t.network_share:10.2f} %" if math.isfinite(t.network_share) else f"{'-':>12}"
            memory = f"{t.peak_bytes / 1e6:10.1f} MB{t.peak_multiple:9.1f}"
            lines.append(f"{t.name:<27}{time}{t.ratio:10.2f}{share}{memory}")
    return "\n".join(lines)


def growth_table(growths: Sequence[Growth]) -> str:
    """A table of what :func:`monai_cwmi.benchmark.measure_growth` returned, as text.

    Raises:
        ValueError: When there are no measurements.
    """
    lines = _heading([growth.loss for growth in growths])
    lines += ["One quantity grows at a time, the others are those of 4 x 1 x 256 x 256, K = 4, N = 4."]
    for quantity, group in groupby(growths, key=lambda growth: growth.quantity):
        lines += ["", f"{quantity:<14}{'CWMILoss':>12}{'IQR':>12}{'floor':>12}{'x floor':>10}"]
        for _, value, floor, loss in group:
            error = loss.error or floor.error
            if error:
                lines.append(_failure(str(value), error, 14))
                continue
            times = "".join(f"{1e3 * time:9.2f} ms" for time in (loss.median, loss.spread, floor.median))
            lines.append(f"{value:<14}{times}{loss.ratio:10.2f}")
    return "\n".join(lines)


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
    """
    path = _save_json(Path(folder) / "speed.json", timings[:1], map(_record, timings))
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
    """
    records = (
        {"quantity": quantity, "value": value, **_record(timing)}
        for quantity, value, *timings in growths
        for timing in timings
    )
    path = _save_json(Path(folder) / "growth.json", [growth.loss for growth in growths[:1]], records)
    return [path, _charts(path).draw_growth(growths, path.with_suffix(".png"))]


def describe(case: Case) -> str:
    """One line on what a step worked on."""
    shape = " x ".join(map(str, case.shape))
    return f"{shape}, K = {case.num_orientations}, N = {case.num_levels}, {dtype_name(case.dtype)}"


def environment(device: str) -> dict[str, Any]:
    """The machine and the versions that measurements were made with, by name."""
    return {
        "device": device,
        "gpu": torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else None,
        "cpu": _cpu_model(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "monai", "monai_cwmi")},
    }


def _heading(timings: Sequence[Timing]) -> list[str]:
    if not timings:
        raise ValueError("there are no measurements.")
    about = environment(timings[0].case.device)
    machine = [f"CPU {about['cpu']}", f"{about['threads']} threads"]
    if about["gpu"]:
        machine.insert(0, f"GPU {about['gpu']}")
    versions = [f"{name} {about[name]}" for name in ("python", "torch", "monai", "monai_cwmi")]
    return [f"Forward + backward on {about['device']}: {', '.join(machine)}", ", ".join(versions)]


def _save_json(path: Path, timings: Sequence[Timing], records: Iterable[dict[str, Any]]) -> Path:
    if not timings:
        raise ValueError("there are no measurements.")
    content = {"environment": environment(timings[0].case.device), "records": list(records)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    return path


def _record(timing: Timing) -> dict[str, Any]:
    case = timing.case
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
        **{name: value for name, value in vars(case).items() if name != "dtype"},
        "dtype": dtype_name(case.dtype),
        "repeats": len(timing.times),
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "times_s": list(timing.times),
        "error": timing.error or None,
    }


def _failure(name: str, error: str, width: int) -> str:
    line = f"{name:<{width}}  failed: {error}"
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."


def _charts(written: Path) -> ModuleType:
    try:
        import monai_cwmi.benchmark.cost_charts as charts
    except ImportError as error:
        message = f"{written} is written, but charts need matplotlib: pip install 'monai-cwmi[bundle]'"
        raise ImportError(message) from error
    return charts


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (models or [platform.processor() or platform.machine()])[0]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
