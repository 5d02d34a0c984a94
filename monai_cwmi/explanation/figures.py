"""Figures of bands, gradients and explained variance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from monai_cwmi.pictures.panels import COLOURS

_PANEL = 1.75  # inches, the longer side of a small picture
_FONT, DPI = 11, 100  # points, pixels for an inch
_DIVERGING = "PuOr_r"  # told apart with every common kind of colour vision


def format_size(size: float, unit: str) -> str:
    """A length in words.

    Example:
        >>> format_size(2.0, "px"), format_size(0.5712, "mm")
        ('2 px', '0.57 mm')
    """
    return f"{size:.2g} {unit}" if size < 100 else f"{size:.0f} {unit}"


def sentence(name: str, explained_variance: Sequence[float], sizes: Sequence[float], unit: str) -> str:
    """How much of a class is explained, of its finest and coarsest structure.

    Args:
        name: Of the class.
        explained_variance: Shares by level, finest first; NaN where there is nothing to explain.
        sizes: Of the structures at each level.
        unit: Of the sizes.

    Example:
        >>> sentence("axon", [0.31, 0.8, 0.92], [2, 4, 8], "px")
        'axon: fine structure (2 px) 31 % explained, coarse (8 px) 92 % explained'
    """
    known = [(share, size) for share, size in zip(explained_variance, sizes, strict=True) if not math.isnan(share)]
    if not known:
        return f"{name}: not in the target"
    (fine, fine_size), (coarse, coarse_size) = known[0], known[-1]
    text = f"{name}: fine structure ({format_size(fine_size, unit)}) {100 * fine:.0f} % explained"
    return (
        text if len(known) == 1 else f"{text}, coarse ({format_size(coarse_size, unit)}) {100 * coarse:.0f} % explained"
    )


def draw_bands(
    bands: tuple[list[np.ndarray], list[np.ndarray]],
    masks: tuple[np.ndarray, np.ndarray],
    *,
    directions: Sequence[str],
    meaning: str,
    sizes: Sequence[float],
    unit: str,
    title: str,
    aspect: float = 1.0,
    phase: bool = False,
) -> Figure:
    """Draw target and prediction, and their bands: levels below each other, orientations side by side.

    Args:
        bands: Of the target and of the prediction, ``(K, rows, columns)`` for each level, upright.
        masks: Target and prediction, ``(rows, columns)``, 0 to 1.
        directions: Of each orientation, in words.
        meaning: What the directions are.
        sizes: Of the structures at each level.
        unit: Of the sizes.
        title: Above all.
        aspect: Of a pixel of the masks, height over width.
        phase: Show the phase as hue and the magnitude as brightness. Default: the magnitude alone, in grey.
    """
    levels, count = len(bands[0]), len(directions)
    rows, columns = masks[0].shape[0] * aspect, masks[0].shape[1]
    height, width = (_PANEL * side / max(rows, columns) for side in (rows, columns))
    head, foot = 0.65 + 0.2 * title.count("\n"), 0.4  # inches
    size = (2 * count * (width + 0.08) + 1.15, (levels + 1) * (height + 0.1) + 0.25 + head + foot)
    figure = Figure(figsize=size, dpi=DPI)
    grid = figure.add_gridspec(
        levels + 1,
        2 * count + 1,
        width_ratios=[*[1.0] * count, 0.12, *[1.0] * count],
        left=0.8 / size[0],
        right=1 - 0.1 / size[0],
        bottom=foot / size[1],
        top=1 - head / size[1],
        wspace=0.05,
        hspace=0.17,
    )

    def show(row: int, column: int, picture: np.ndarray) -> Axes:
        axes = figure.add_subplot(grid[row, column])
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    for half, (name, mask, side) in enumerate(zip(("target", "prediction"), masks, bands, strict=True)):
        first = half * (count + 1)
        show(0, first, mask).set_title(name, fontsize=_FONT + 2, loc="left")
        for row, level in enumerate(side, start=1):
            white = float(np.percentile(np.abs(bands[0][row - 1]), 99.5)) or float(np.abs(level).max()) or 1.0
            for k, band in enumerate(level):
                brightness = (np.abs(band) / white).clip(0, 1)
                axes = show(row, first + k, _domain_colours(band, brightness) if phase else brightness)
                if row == 1:
                    axes.set_title(directions[k], fontsize=_FONT)
                if half == k == 0:
                    label = f"level {row}\n{format_size(sizes[row - 1], unit)}"
                    axes.set_ylabel(label, fontsize=_FONT, rotation=0, ha="right", va="center", labelpad=6)
    figure.suptitle(title, fontsize=_FONT + 2, y=1 - 0.08 / size[1], va="top", parse_math=False)
    note = "hue: phase of the band, brightness: magnitude" if phase else "brightness: magnitude of the band"
    note += f", one scale for each level; above the columns: {meaning}"
    figure.text(0.5, 0.12 / size[1], note, fontsize=_FONT, ha="center")
    return figure


def draw_information(
    explained_variance: np.ndarray,
    information: np.ndarray,
    bound: np.ndarray,
    *,
    class_names: Sequence[str],
    sizes: Sequence[float],
    unit: str,
) -> Figure:
    """Draw the explained variance of each class at each level and the information beside it, and say it in words.

    Args:
        explained_variance: Shares ``(N, C)`` of the classes without the background.
        information: In nats, ``(N, C)``.
        bound: In nats, ``(N, C)``.
        class_names: ``C`` names.
        sizes: Of the structures at each level.
        unit: Of the sizes.
    """
    classes = len(class_names)
    figure = Figure(figsize=(10, 4.4 + 0.25 * classes), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    draw_explained_variance(left, np.array([sizes]), explained_variance.T[None], class_names=class_names, unit=unit)
    for index in range(classes):
        places = np.arange(len(sizes)) + (index - (classes - 1) / 2) * 0.8 / classes
        colour = COLOURS[index % len(COLOURS)]
        right.bar(places, bound[:, index], 0.8 / classes * 0.92, color="white", edgecolor="#999999", linewidth=1)
        right.bar(places, information[:, index], 0.8 / classes * 0.92, color=colour, edgecolor="#333333", linewidth=0.8)
    right.set_xticks(range(len(sizes)), [f"{size:.2g}" for size in sizes])
    right.set_xlabel(f"size of the structure, {unit}", fontsize=_FONT)
    right.set_ylabel("information, nats", fontsize=_FONT)
    right.set_title("as the loss counts it (outline: the bound)", fontsize=_FONT + 1)
    right.tick_params(labelsize=_FONT)
    right.spines[["top", "right"]].set_visible(False)
    shares = explained_variance.T.tolist()
    words = [sentence(name, share, sizes, unit) for name, share in zip(class_names, shares, strict=True)]
    figure.supxlabel("\n".join(words), fontsize=_FONT + 1, parse_math=False)
    return figure


def draw_explained_variance(
    axes: Axes, sizes: np.ndarray, explained_variance: np.ndarray, *, class_names: Sequence[str], unit: str
) -> None:
    """Draw explained variance against the size of structures: the mean of the cases as a line, the cases as points.

    Args:
        axes: Where to.
        sizes: Of the structures, ``(cases, N)``.
        explained_variance: Shares ``(cases, C, N)``, NaN where there is nothing to explain.
        class_names: ``C`` names.
        unit: Of the sizes.
    """
    centres = np.exp(np.log(sizes).mean(0))
    for index, name in enumerate(class_names):
        colour, shares = COLOURS[index % len(COLOURS)], explained_variance[:, index]  # (cases, N)
        present = ~np.isnan(shares)
        count = present.sum(0)
        mean = np.where(count > 0, np.nansum(shares, 0) / np.maximum(count, 1), np.nan)
        marker = "os^Dv*"[index % 6]
        if len(explained_variance) > 1:
            axes.plot(sizes[present], shares[present], marker, color=colour, alpha=0.45, markersize=4, linestyle="")
        (line,) = axes.plot(centres, mean, f"{marker}-", color=colour, label=name, zorder=3, linewidth=2.5)
        line.set(markersize=8, markeredgecolor="#333333")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(centres, [f"{size:.2g}" for size in centres])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
    axes.set_ylim(0, 1.03)
    axes.margins(x=0.08)
    axes.grid(axis="y", color="#e0e0e0")
    axes.set_axisbelow(True)
    axes.set_xlabel(f"size of the structure, {unit}", fontsize=_FONT)
    axes.set_title("explained variance of the target's bands", fontsize=_FONT + 1)
    axes.tick_params(labelsize=_FONT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=_FONT, frameon=False, loc="lower right")


def draw_gradients(
    image: np.ndarray,
    target: np.ndarray,
    prediction: np.ndarray,
    gradients: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    title: str,
    bar: tuple[float, str],
    aspect: float = 1.0,
) -> Figure:
    """Draw where each term asks for more (orange) or less (violet) of a class, with both contours.

    Args:
        image: Grey ``(rows, columns)`` or in colour ``(rows, columns, 3)``, 0 to 1.
        target: ``(rows, columns)``, 0 or 1.
        prediction: Probabilities, ``(rows, columns)``.
        gradients: Of each term, ``(rows, columns)``.
        names: Of the terms.
        title: Above all.
        bar: Length of the scale bar, in columns, and what it says.
        aspect: Of a pixel, height over width.
    """
    panels = 1 + len(gradients)
    columns = min(3, panels) if panels not in (4, 5) else math.ceil(panels / 2)
    lines = math.ceil(panels / columns)
    ratio = image.shape[0] * aspect / image.shape[1]
    width = min(3.6, 3.6 / ratio)
    size = (columns * (width + 0.75), lines * (width * ratio + 0.4) + 1.0)
    figure = Figure(figsize=size, dpi=DPI, layout="compressed")
    grid = list(figure.subplots(lines, columns, squeeze=False).flat)
    grid[0].imshow(image, cmap="gray", vmin=0, vmax=1, aspect=aspect)
    grid[0].set_title("image", fontsize=_FONT + 1)
    _contours(grid[0], target, prediction, "#ff9f1c", "#00b4d8")
    length, words = bar
    options = {"pad": 0.4, "borderpad": 0.3, "sep": 3, "frameon": True, "size_vertical": len(image) / 100}
    grid[0].add_artist(AnchoredSizeBar(grid[0].transData, length, words, "lower right", **options))
    for axes, gradient, name in zip(grid[1:], gradients, names, strict=False):
        limit = float(np.percentile(np.abs(gradient), 99.5)) or float(np.abs(gradient).max()) or 1.0
        shown = axes.imshow(gradient, cmap=_DIVERGING, vmin=-limit, vmax=limit, aspect=aspect, interpolation="nearest")
        _contours(axes, target, prediction, "#555555", "#0077b6")
        axes.set_title(name, fontsize=_FONT + 1)
        scale = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02, ticks=[-limit, 0, limit])
        scale.ax.set_yticklabels([f"{-limit:.1g}", "0", f"{limit:.1g}"], fontsize=_FONT - 2)
    for axes in grid:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=_FONT + 2, parse_math=False)
    figure.supxlabel(
        "orange: the term asks for more of the class, violet: for less (nats for each unit of a pixel's probability)\n"
        "solid line: target, dashed line: prediction",
        fontsize=_FONT,
    )
    return figure


def _contours(axes: Axes, target: np.ndarray, prediction: np.ndarray, first: str, second: str) -> None:
    for mask, colour, style in ((target, first, "solid"), (prediction, second, "dashed")):
        if mask.min() < 0.5 < mask.max():
            axes.contour(mask, levels=[0.5], colors=[colour], linestyles=[style], linewidths=0.8)


def _domain_colours(band: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    hue = np.angle(band) / (2 * np.pi) % 1
    return np.asarray(hsv_to_rgb(np.stack((hue, np.full_like(hue, 0.75), brightness), -1)))
