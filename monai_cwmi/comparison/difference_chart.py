"""The advantage of the baseline over its rivals as a chart."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from monai_cwmi.comparison.paired_tests import LEVEL
from monai_cwmi.comparison.reported_metrics import METRICS

_COLUMNS, _PANEL, _DPI = 5, 2.7, 100  # panels side by side, inches, pixels for each
_SURE, _UNSURE = "#e07b00", "#5b8fb9"
_FONT = 11


def draw_differences(differences: pd.DataFrame, path: Path) -> Path:
    """Draw mean paired differences with their intervals, a panel for each metric, and save the picture.

    Args:
        differences: From :func:`monai_cwmi.comparison.paired_tests.paired_differences`, at least a row.
        path: Where to.

    Returns:
        The same path.
    """
    panels = {metric: group.reset_index() for metric, group in differences.groupby("metric", sort=False)}
    columns = min(_COLUMNS, len(panels))
    lines = math.ceil(len(panels) / columns)
    size = (max(2, columns) * _PANEL + 2.5, 1.3 + lines * (1 + 0.3 * differences["rival"].nunique()))
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    axes = list(figure.subplots(lines, columns, sharey=True, squeeze=False).flat)
    for ax, (metric, group) in zip(axes, panels.items(), strict=False):
        _draw_panel(ax, group)
        ax.set_title(METRICS[metric].heading, fontsize=_FONT + 2)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    baseline = differences["baseline"].iloc[0]
    title = f"Advantage of {baseline}: mean paired difference, baseline minus rival,\n"
    title += f"signed so that positive (right of the line) is in favour of {baseline}"
    figure.suptitle(title, fontsize=_FONT + 2, parse_math=False)
    signs = [
        Line2D([], [], color=_SURE, marker="o", label=f"95 % interval, p < {LEVEL} after Holm's correction"),
        Line2D([], [], color=_UNSURE, marker="o", markerfacecolor="white", label="95 % interval, else"),
        Line2D([], [], color=_UNSURE, marker="x", linestyle="", label="no interval"),
    ]
    figure.legend(
        handles=signs, loc="outside lower center", ncols=len(signs) if columns > 2 else 1, fontsize=_FONT, frameon=False
    )
    figure.savefig(path)
    return path


def _draw_panel(ax: Axes, group: pd.DataFrame) -> None:
    for index, row in group.iterrows():
        if np.isnan(row["advantage"]):
            text = ax.annotate("no pairs", (0.5, index), xycoords=("axes fraction", "data"), ha="center", va="center")
            text.set_fontsize(_FONT - 1)
        elif np.isnan(row["low"]):
            ax.plot(row["advantage"], index, "x", color=_UNSURE)
        else:
            is_sure = row["p_holm"] < LEVEL
            colour = _SURE if is_sure else _UNSURE
            ax.plot([row["low"], row["high"]], [index, index], color=colour, linewidth=2, solid_capstyle="butt")
            ax.plot(row["advantage"], index, "o", color=colour, markerfacecolor=colour if is_sure else "white")
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(range(len(group)), [" ".join(name.split()) for name in group["rival"]], parse_math=False)
    ax.set_ylim(len(group) - 0.5, -0.5)
    ax.locator_params(axis="x", nbins=4)
    ax.tick_params(labelsize=_FONT)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color="#e6e6e6")
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
