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
) -> None:
    """Draw an image, its target and a prediction side by side and save the picture.

    Classes are colours laid over the image; the background, class 0, is left clear. Without a target its panel is left
    out.

    Args:
        path: file to write; its suffix sets the format. Folders on the way are made.
        image: grey values, of shape (rows, columns), in any range.
        prediction: class indices, of the same shape.
        target: class indices, of the same shape.
        class_names: names for the legend, the background's first; at most seven.

    Raises:
        ValueError: When shapes differ, or a class index has no name, or a name has no colour.

    Example::

        save_panels("cell.png", image, prediction, target, class_names=["background", "myelin", "axon"])
    """
    panels = {"image": image, "target": target, "prediction": prediction}
    arrays = {title: convert_to_numpy(array) for title, array in panels.items() if array is not None}
    _check(arrays, class_names)
    rows, columns = arrays["image"].shape
    height = PANEL_WIDTH * rows / columns + LEGEND_HEIGHT
    figure = Figure(figsize=(PANEL_WIDTH * len(arrays), height), dpi=DPI, layout="constrained")
    colours = ListedColormap(COLOURS[: len(class_names) - 1])
    for axes, (title, array) in zip(figure.subplots(1, len(arrays)), arrays.items(), strict=True):
        axes.imshow(arrays["image"], cmap="gray")
        if title != "image":
            foreground = np.ma.masked_equal(array, 0)
            axes.imshow(
                foreground, cmap=colours, vmin=0.5, vmax=len(class_names) - 0.5, alpha=OPACITY, interpolation="nearest"
            )
        axes.set_title(title.capitalize(), fontsize=16)
        axes.set_axis_off()
    swatches = [Patch(color=colour, label=name) for colour, name in zip(COLOURS, class_names[1:], strict=False)]
    figure.legend(handles=swatches, loc="outside lower center", ncols=len(swatches), fontsize=14, frameon=False)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _check(arrays: dict[str, np.ndarray], class_names: Sequence[str]) -> None:
    if not 2 <= len(class_names) <= len(COLOURS) + 1:
        raise ValueError(f"class_names must hold 2 to {len(COLOURS) + 1} names, got {len(class_names)}.")
    shape = arrays["image"].shape
    if len(shape) != 2:
        raise ValueError(f"image must have the shape (rows, columns), got {tuple(shape)}.")
    for title in arrays.keys() - {"image"}:
        array = arrays[title]
        if array.shape != shape:
            raise ValueError(f"{title} has the shape {tuple(array.shape)}, the image {tuple(shape)}.")
        unnamed = sorted(set(np.unique(array).tolist()) - set(range(len(class_names))))
        if unnamed:
            raise ValueError(f"{title} holds {unnamed}, which are no indices into the {len(class_names)} class_names.")
