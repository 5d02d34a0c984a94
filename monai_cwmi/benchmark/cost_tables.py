"""Measurements as tables to print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from monai_cwmi.benchmark.machine import environment
from monai_cwmi.benchmark.timings import Growth, Timing, device_of

_WIDTH = 120


def speed_table(timings: Sequence[Timing]) -> str:
    """A table for each size of what :func:`monai_cwmi.benchmark.measure_speed` returned, as text.

    Raises:
        ValueError: When there are no timings.

    Example::

        print(speed_table(measure_speed([(256, 256)], batch=2)))
    """
    lines = _heading(device_of(timings))
    lines += ["Memory: the most that a step holds beyond what is held before it; in MB, and over the prediction's."]
    columns = f"{'median':>12}{'IQR':>12}{'repeats':>9}{'x floor':>10}{'of network':>12}{'memory':>13}{'x pred.':>9}"
    for workload, group in groupby(timings, key=lambda timing: timing.workload):
        lines += ["", workload.description, f"{'':<27}{columns}"]
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

    Example::

        print(growth_table(measure_growth(quantities={"size": (128, 256)})))
    """
    lines = _heading(device_of([growth.loss for growth in growths]))
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


def _heading(device: str) -> list[str]:
    about = environment(device)
    machine = [f"CPU {about['cpu']}", f"{about['threads']} threads"]
    if about["gpu"]:
        machine.insert(0, f"GPU {about['gpu']}")
    versions = [f"{name} {about[name]}" for name in ("python", "torch", "monai", "monai_cwmi")]
    return [f"Forward + backward on {about['device']}: {', '.join(machine)}", ", ".join(versions)]


def _failure(name: str, error: str, width: int) -> str:
    line = f"{name:<{width}}  failed: {error}"
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."
