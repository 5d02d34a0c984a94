"""Which part of a case a picture shows, upright."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monai_cwmi.explanation.cases import ExplainedCase
from monai_cwmi.pictures.panels import fullest_slice, slices_at

WINDOW = 192  # pixels: what a small picture can show of fine structure


class PlaneView(NamedTuple):
    """A window of a picture, or of an axial slice of a volume.

    Attributes:
        axial: The slice; ``None`` of a picture.
        depth: Slices of the volume; 1 of a picture.
        size: Rows and columns of the whole plane.
        corner: First row and first column of the window.
        shape: Rows and columns of the window.
    """

    axial: int | None
    depth: int
    size: tuple[int, int]
    corner: tuple[int, int]
    shape: tuple[int, int]

    @property
    def words(self) -> str:
        """The slice and the window, for a title."""
        text = "" if self.axial is None else f", axial slice {self.axial}"
        if self.shape != self.size:
            text += "\n{} x {} pixels of {} x {}, where the prediction errs most".format(*self.shape, *self.size)
        return text

    def show(self, array: np.ndarray) -> np.ndarray:
        """The window of an array ``(X, Y)``, or ``(X, Y, Z)`` of the volume, upright. A coarser grid is cut alike."""
        axial = self.axial
        if axial is not None and array.ndim == 3:
            axial = axial * array.shape[-1] // self.depth
        plane = upright(array, axial)
        ranges = zip(plane.shape, self.size, self.corner, self.shape, strict=True)
        cuts = [slice(s * n // size, -(-(s + extent) * n // size)) for n, size, s, extent in ranges]
        return plane[tuple(cuts)]


def choose_view(case: ExplainedCase, window: int = WINDOW) -> PlaneView:
    """The axial slice that holds most of the target, and in it the window in which the prediction errs most.

    Args:
        case: The case.
        window: Longest side, in pixels.
    """
    target, prediction = (tensor.argmax(0).numpy() for tensor in (case.target, case.probabilities))
    axial = fullest_slice(target, 2) if target.ndim == 3 else None
    wrong = upright(target, axial) != upright(prediction, axial)
    size = (wrong.shape[0], wrong.shape[1])
    shape = (min(window, size[0]), min(window, size[1]))
    sums = np.pad(wrong.cumsum(0).cumsum(1), ((1, 0), (1, 0)))  # over all above and to the left
    bands = sums[shape[0] :] - sums[: -shape[0]]
    errors = bands[:, shape[1] :] - bands[:, : -shape[1]]  # in the window that begins at each place
    row, column = divmod(int(errors.argmax()), errors.shape[1])
    return PlaneView(axial, 1 if axial is None else target.shape[2], size, (row, column), shape)


def upright(array: np.ndarray, axial: int | None) -> np.ndarray:
    """A picture ``(X, Y)`` as ``(rows, columns)``; of a volume ``(X, Y, Z)`` an axial slice, front above.

    Args:
        array: Of a picture, of a volume, or ``(X, Y)`` of the slice.
        axial: The slice; ``None`` of a picture.
    """
    if axial is None:
        return array.T
    return slices_at(array, [0, 0, axial])[0] if array.ndim == 3 else array.T[::-1, ::-1]


def grey_values(case: ExplainedCase) -> np.ndarray:
    """The image's channels from 0 to 1. A few voxels of metal shall not leave all tissue the same grey."""
    array = case.image.numpy()
    black, white = np.percentile(array, (0.5, 99.5))
    return np.asarray(((array - black) / ((white - black) or 1)).clip(0, 1))
