"""An image, its target and a prediction, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from monai.utils import convert_to_numpy

# For the classes after the background; told apart with every common kind of colour vision, and from grey.
COLOURS = ("#ff9f1c", "#00b4d8", "#e71d7d", "#7ae582", "#9d4edd", "#ffe94e")
OPACITY = 0.55
PANEL_WIDTH = 4.0  # inches
LEGEND_HEIGHT = 0.9  # inches, with the titles
DPI = 150

Array = np.ndarray | torch.Tensor


def save_panels(
    path: str | os.PathLike[str],
    image: Array,
    prediction: Array,
    target: Array | None = None,
    *,
    class_names: Sequence[str],
    spacing: Sequence[float] | None = None,
) -> None:
    """Save the picture that :func:`draw_panels` draws.

    Args:
        path: file to write; its suffix sets the format. Folders on the way are made.
        image: as in :func:`draw_panels`, and so the rest.
        prediction: class indices.
        target: the same.
        class_names: names for the legend.
        spacing: the distance between pixels or voxels along each axis.

    Raises:
        ValueError: As :func:`draw_panels`.

    Example::

        save_panels("cell.png", image, prediction, target, class_names=["background", "myelin", "axon"])
    """
    figure = draw_panels(image, prediction, target, class_names=class_names, spacing=spacing)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def draw_panels(
    image: Array,
    prediction: Array,
    target: Array | None = None,
    *,
    class_names: Sequence[str],
    spacing: Sequence[float] | None = None,
) -> Figure:
    """Draw an image, its target and a prediction side by side.

    Classes are colours laid over the image; the background, class 0, is left clear. Without a target its panels are
    left out. Of a volume, an axial, a coronal and a sagittal slice are drawn below one another: those that hold most of
    the target's classes, each class counted as a share of all its voxels, or of the prediction's without a target. The
    patient's right is on the left of the picture, as radiologists have it.

    Args:
        image: grey values, in any range, of shape (rows, columns), or (X, Y, Z) with the axes of a volume running to
            the patient's right, front and head; or red, green and blue (rows, columns, 3), in one range.
        prediction: class indices, of the same shape without the colours.
        target: the same.
        class_names: names for the legend, the background's first. From the eighth on, colours repeat.
        spacing: the distance between pixels or voxels along each axis, in any unit. Default: the same along all.

    Returns:
        The figure, which belongs to no window.

    Raises:
        ValueError: When shapes differ, a class index has no name, there is no class but one, or ``spacing`` does not
            hold a positive number for each axis.

    Example::

        figure = draw_panels(image, prediction, target, class_names=["background", "myelin", "axon"])
    """
    panels = {"image": image, "target": target, "prediction": prediction}
    arrays = {title: convert_to_numpy(array) for title, array in panels.items() if array is not None}
    has_colours = arrays["image"].ndim == 3 and arrays["image"].shape == (*arrays["prediction"].shape, 3)
    shape = arrays["image"].shape[:2] if has_colours else arrays["image"].shape
    steps = [1.0] * len(shape) if spacing is None else [float(step) for step in spacing]
    _check(arrays, shape, class_names, steps)
    # A few voxels of metal would leave all tissue of a scan the same grey.
    black, white = np.percentile(arrays["image"], (0, 100) if len(shape) == 2 else (0.5, 99.5))
    arrays["image"] = ((arrays["image"] - black) / ((white - black) or 1)).clip(0, 1)
    labels = arrays.get("target", arrays["prediction"])
    place = [fullest_slice(labels, axis) for axis in range(labels.ndim)]
    views = {title: slices_at(array, place) for title, array in arrays.items()}
    # The steps between the rows and between the columns of each view.
    pitches = [steps] if len(steps) == 2 else [[steps[1], steps[0]], [steps[2], steps[0]], [steps[2], steps[1]]]
    sizes = np.array([view.shape[:2] for view in views["image"]]) * pitches
    heights = PANEL_WIDTH * sizes[:, 0] / sizes[:, 1].max()
    figure = Figure(figsize=(PANEL_WIDTH * len(arrays), heights.sum() + LEGEND_HEIGHT), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(pitches), len(arrays), squeeze=False, height_ratios=heights)
    colours = [COLOURS[index % len(COLOURS)] for index in range(len(class_names) - 1)]
    greys = {"cmap": "gray", "vmin": 0, "vmax": 1}
    classes = {"cmap": ListedColormap(colours), "vmin": 0.5, "vmax": len(class_names) - 0.5, "alpha": OPACITY}
    for column, title in zip(grid.T, arrays, strict=True):
        column[0].set_title(title.capitalize(), fontsize=16)
        for axes, background, view, (row_step, column_step) in zip(
            column, views["image"], views[title], pitches, strict=True
        ):
            shape = {"aspect": row_step / column_step}
            axes.imshow(background, **greys, **shape)
            if title != "image":
                axes.imshow(np.ma.masked_equal(view, 0), **classes, **shape, interpolation="nearest")
            axes.set_axis_off()
    swatches = [Patch(color=colour, label=name) for colour, name in zip(colours, class_names[1:], strict=True)]
    figure.legend(handles=swatches, loc="outside lower center", ncols=len(swatches), fontsize=14, frameon=False)
    return figure


def fullest_slice(labels: np.ndarray, axis: int) -> int:
    """The slice with most of all classes, each counted as a share so that a small one is not missed."""
    slices = np.moveaxis(labels, axis, 0).reshape(labels.shape[axis], -1)
    counts = [(slices == index).sum(1) for index in np.unique(labels) if index != 0]
    return int(np.argmax(sum(count / count.sum() for count in counts))) if counts else labels.shape[axis] // 2


def slices_at(array: np.ndarray, place: Sequence[int]) -> list[np.ndarray]:
    """An image as it is; an axial, a coronal and a sagittal slice of a volume, front or head up."""
    if len(place) == 2:
        return [array]
    return [array.take(place[axis], axis).T[::-1, ::-1] for axis in (2, 1, 0)]


def _check(
    arrays: dict[str, np.ndarray], shape: tuple[int, ...], class_names: Sequence[str], spacing: Sequence[float]
) -> None:
    if len(class_names) < 2:
        raise ValueError(f"class_names must hold 2 names at least, got {len(class_names)}.")
    if len(shape) not in (2, 3):
        raise ValueError(
            f"image must have the shape (rows, columns), (rows, columns, 3) or (X, Y, Z), got {tuple(shape)}."
        )
    if len(spacing) != len(shape) or min(spacing) <= 0:
        raise ValueError(f"spacing must hold {len(shape)} positive numbers, one for each axis, got {list(spacing)}.")
    for title in arrays.keys() - {"image"}:
        array = arrays[title]
        if array.shape != shape:
            raise ValueError(f"{title} has the shape {tuple(array.shape)}, the image {tuple(shape)}.")
        unnamed = sorted(set(np.unique(array).tolist()) - set(range(len(class_names))))
        if unnamed:
            raise ValueError(f"{title} holds {unnamed}, which are no indices into the {len(class_names)} class_names.")
