"""The same images as the model of each loss segments them, with the errors in colour."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from monai_cwmi.comparison.cell_files import UNLABELLED
from monai_cwmi.pictures.panels import fullest_slice, slices_at

PER_LINE = 6  # losses side by side at most

_PANEL, _DPI, _FONT = 1.9, 100, 11  # inches, pixels for each, points
_LETTERS = 24  # that fit above a panel
_BACKGROUND, _CORRECT, _MISSED, _TOO_MUCH, _CONFUSED, _UNKNOWN = range(6)
_LEGEND = ("correct background", "correct", "missed", "too much", "another class", "unlabelled")
# Told apart with every common kind of colour vision.
_PALETTE = np.array(
    [(0, 0, 0), (225, 225, 225), (213, 94, 0), (86, 180, 233), (240, 228, 66), (128, 128, 128)], np.uint8
)
_STRIPE = (84, 84, 84)


class Example(NamedTuple):
    """An image with its target and a prediction.

    Attributes:
        title: Which image it is.
        image: ``(C, H, W)`` or ``(C, H, W, D)``, in any range.
        target: ``(H, W)`` or ``(H, W, D)``, class indices; 255 where there is no label.
        prediction: The same shape, class indices.
    """

    title: str
    image: np.ndarray
    target: np.ndarray
    prediction: np.ndarray


def read_example(path: str | os.PathLike[str]) -> Example:
    """Read an ``example.npz`` of a comparison."""
    with np.load(path) as file:
        title = f"{file['name']}\nfold {file['fold']}, seed {file['seed']}"
        return Example(title, file["image"], file["target"], file["prediction"])


def classify_errors(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Classify each pixel of a prediction as right or as one kind of error.

    Args:
        prediction: Class indices, of any shape.
        target: The same; 255 where there is no label.

    Returns:
        0 correct background, 1 correct foreground, 2 missed, 3 too much, 4 one foreground class for another,
        5 unlabelled; in uint8.

    Example:
        >>> classify_errors(np.array([0, 1, 0, 1, 2, 1]), np.array([0, 1, 1, 0, 1, 255]))
        array([0, 1, 2, 3, 4, 5], dtype=uint8)
    """
    conditions = {
        _UNKNOWN: target == UNLABELLED,
        _BACKGROUND: (prediction == target) & (target == 0),
        _CORRECT: prediction == target,
        _MISSED: prediction == 0,
        _TOO_MUCH: target == 0,
    }
    return np.select(list(conditions.values()), list(conditions), _CONFUSED).astype(np.uint8)


def draw_examples(rows: Sequence[Mapping[str, Example]], path: Path) -> Path:
    """Draw images, their targets and the losses' predictions with their errors, and save the picture.

    Of a volume the axial slice that holds most of the target is drawn.

    Args:
        rows: For each image its example by the name of the loss; at least one.
        path: Where to.

    Returns:
        The same path.
    """
    losses = list(dict.fromkeys(loss for row in rows for loss in row))
    lines = math.ceil(len(losses) / PER_LINE)
    columns = 2 + math.ceil(len(losses) / lines)
    planes = [{loss: _plane(example) for loss, example in row.items()} for row in rows]
    shapes = [next(iter(row.values())).target.shape for row in planes]
    heights = [_PANEL * height / width for height, width in shapes for _ in range(lines)]
    # Inches above the panels of a line of losses, and of a line that begins with an image.
    head, first_head = (
        0.1 + 0.2 * max(_wrap(title).count("\n") + 1 for title in titles)
        for titles in (losses, [*losses, *(example.title for row in rows for example in row.values())])
    )
    size = (_PANEL * columns, sum(heights) + len(rows) * (first_head + (lines - 1) * head) + 0.5)
    figure = Figure(figsize=size, dpi=_DPI, layout="compressed")  # for axes of a fixed aspect
    axes = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
    for ax in axes.flat:
        ax.set_axis_off()
    seen: set[int] = set()
    for number, row in enumerate(planes):
        first = next(iter(row.values()))
        own = axes[number * lines : (number + 1) * lines]  # (lines, columns)
        _show(own[0, 0], _to_rgb(first.image), first.title)
        _show(own[0, 1], _colour_target(first.target), "target")
        for loss, ax in zip(losses, own[:, 2:].flat, strict=False):
            if loss in row:
                errors = classify_errors(row[loss].prediction, row[loss].target)
                seen.update(np.unique(errors).tolist())
                _show(ax, _with_stripes(_PALETTE[errors], errors == _UNKNOWN), loss)
    kinds = sorted(seen | {_BACKGROUND, _CORRECT, _MISSED, _TOO_MUCH})
    swatches = [
        Patch(
            facecolor=_PALETTE[kind] / 255, edgecolor="#545454", hatch="///" * (kind == _UNKNOWN), label=_LEGEND[kind]
        )
        for kind in kinds
    ]
    figure.legend(handles=swatches, loc="outside lower center", ncols=len(swatches), fontsize=_FONT, frameon=False)
    figure.savefig(path)
    return path


def _plane(example: Example) -> Example:
    """An image as it is; of a volume the axial slice with most of the target."""
    labels = np.where(example.target == UNLABELLED, 0, example.target)
    position = [fullest_slice(labels, axis) for axis in range(labels.ndim)]
    image, target, prediction = (
        [slices_at(array, position)[0] for array in arrays]
        for arrays in (example.image, [example.target], [example.prediction])
    )
    return Example(example.title, np.stack(image), target[0], prediction[0])


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """An image of three channels in colour, another's first channel in grey; ``(H, W, 3)``, 0 to 1."""
    channels = image if len(image) == 3 else image[:1].repeat(3, 0)
    black, white = np.percentile(channels, (0.5, 99.5))
    scaled = (channels - black) / (white - black) if white > black else np.zeros_like(channels)
    return np.moveaxis(scaled.clip(0, 1), 0, -1)


def _colour_target(target: np.ndarray) -> np.ndarray:
    """Classes in shades of grey, the last the lightest."""
    unlabelled = target == UNLABELLED
    classes = np.where(unlabelled, 0, target).astype(int)
    shades = classes * int(_PALETTE[_CORRECT, 0]) // max(classes.max(), 1)
    return _with_stripes(shades[..., None].repeat(3, -1).astype(np.uint8), unlabelled)


def _with_stripes(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture ``(H, W, 3)`` hatched where a mask ``(H, W)`` is true."""
    rows, columns = np.indices(mask.shape)
    width = max(1, max(mask.shape) // 40)
    picture[mask] = _PALETTE[_UNKNOWN]
    picture[mask & ((rows + columns) // width % 2 == 0)] = _STRIPE
    return picture


def _show(ax: Axes, picture: np.ndarray, title: str) -> None:
    ax.imshow(picture)
    ax.set_title(_wrap(title), fontsize=_FONT, parse_math=False)


def _wrap(title: str) -> str:
    return "\n".join(fill(line, _LETTERS) for line in title.splitlines())
