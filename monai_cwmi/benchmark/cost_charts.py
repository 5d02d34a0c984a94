"""Measurements as charts. Needs matplotlib, which the rest of the package does without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from monai_cwmi.benchmark.contestant_names import (
    CWMI,
    CWMI_COMPILED,
    CWMI_PLANES,
    CWMI_REAL,
    CWMI_SLICES,
    FLOOR,
    INFORMATION,
    NETWORK,
    TEXTBOOK,
)
from monai_cwmi.benchmark.timings import Growth, Timing

_WIDTH, _DPI = 9.0, 100  # inches and pixels for each: 900 pixels
_OURS, _OTHERS, _REFERENCE = "#e07b00", "#5b8fb9", "#a8a8a8"
_COLOURS = dict.fromkeys(
    (INFORMATION, CWMI, CWMI_REAL, CWMI_SLICES, CWMI_PLANES, CWMI_COMPILED), _OURS
) | dict.fromkeys((NETWORK, TEXTBOOK), _REFERENCE)
_LEGEND = {"monai_cwmi": _OURS, "losses of MONAI": _OTHERS, "for reference": _REFERENCE}


def draw_speed(timings: Sequence[Timing], path: Path) -> Path:
    """Draw each contestant's time over the floor's, a panel for each size, and save the picture."""
    panels = [list(group) for _, group in groupby(timings, key=lambda timing: timing.workload)]
    height = 1.2 + sum(0.9 + 0.3 * len(panel) for panel in panels)
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=[len(panel) for panel in panels])
    for ax, panel in zip(axes[:, 0], panels, strict=True):
        _draw_bars(ax, [timing for timing in panel if timing.name != FLOOR])
        ax.set_title(f"{panel[0].workload.description}, {panel[0].workload.device}", fontsize=12)
    ratios = [timing.ratio for timing in timings if math.isfinite(timing.ratio)]
    axes[-1, 0].set_xlim(min([0.6, *(0.5 * ratio for ratio in ratios)]), 2 * max([1.5, *ratios]))  # room for values
    axes[-1, 0].set_xlabel("time of forward + backward, over that of 2 rfftn + 1 irfftn (the floor)", fontsize=11)
    swatches = [Patch(color=colour, label=label) for label, colour in _LEGEND.items()]
    figure.legend(handles=swatches, loc="outside lower center", ncols=len(swatches), fontsize=11, frameon=False)
    figure.savefig(path)
    return path


def _draw_bars(ax: Axes, timings: Sequence[Timing]) -> None:
    """Bars from the floor's line to the right for what costs more, and to the left for what costs less."""
    ordered = sorted(timings, key=lambda timing: timing.ratio if math.isfinite(timing.ratio) else math.inf)
    for row, timing in enumerate(ordered):
        if not math.isfinite(timing.ratio):
            _write_beside(ax, "failed", 1, row)
            continue
        ax.barh(row, timing.ratio - 1, left=1, color=_COLOURS.get(timing.name, _OTHERS))
        text = f"{timing.ratio:.0f}" if timing.ratio >= 100 else f"{timing.ratio:.1f}"
        _write_beside(ax, text, timing.ratio, row)
    ax.axvline(1, color="black", linewidth=1.5)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_yticks(range(len(ordered)), [timing.name for timing in ordered], fontsize=11)
    ax.set_ylim(len(ordered) - 0.4, -0.6)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _write_beside(ax: Axes, text: str, x: float, y: float) -> None:
    side, shift = ("left", 5) if x >= 1 else ("right", -5)
    ax.annotate(text, (x, y), (shift, 0), textcoords="offset points", ha=side, va="center", fontsize=11)


def draw_growth(growths: Sequence[Growth], path: Path) -> Path:
    """Draw the times of the loss and of the floor, a panel for each quantity, and save the picture."""
    panels = {quantity: list(group) for quantity, group in groupby(growths, key=lambda growth: growth.quantity)}
    rows = math.ceil((len(panels) + 1) / 3)
    figure = Figure(figsize=(_WIDTH, 2.9 * rows), dpi=_DPI, layout="constrained")
    axes = list(figure.subplots(rows, 3, sharey=True, squeeze=False).flat)
    for ax, (quantity, points) in zip(axes, panels.items(), strict=False):
        values = [point.value for point in points]
        for timings, colour, label in (
            ([point.loss for point in points], _OURS, "CWMILoss"),
            ([point.floor for point in points], "black", "floor: 2 rfftn + 1 irfftn"),
        ):
            ax.plot(values, [1e3 * timing.median for timing in timings], "o-", color=colour, label=label, markersize=4)
        for point in points:
            if math.isfinite(point.loss.ratio):
                position, text = (point.value, 1e3 * point.loss.median), f"{point.loss.ratio:.1f}"
                ax.annotate(text, position, (0, 7), textcoords="offset points", ha="center", fontsize=9)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticks(values, [str(value) for value in values], fontsize=9)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.margins(0.12, 0.15)
        ax.set_title(quantity, fontsize=12)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[::3]:
        ax.set_ylabel("forward + backward, ms", fontsize=11)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    device = growths[0].loss.workload.device
    note = f"Numbers: CWMILoss over the floor.\nBase: 4 x 1 x 256 x 256,\nK = 4, N = 4, float32, {device}"
    axes[-1].text(0, 0.55, note, fontsize=10, va="top")
    axes[-1].legend(*axes[0].get_legend_handles_labels(), loc="upper left", fontsize=10, frameon=False)
    figure.savefig(path)
    return path
