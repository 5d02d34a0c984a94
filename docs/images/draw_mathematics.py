"""Draw the three figures of ``docs/explanation/mathematics.md``: the filters, the bands of a real image, and blur.

Run in the folder that the pictures are to lie in: ``python draw_mathematics.py``. Writes ``mathematics_filters.png``,
``mathematics_bands.png`` and ``mathematics_blur.png``.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from skimage.filters import gaussian, threshold_otsu
from torch import Tensor

from monai_cwmi.bands.filters import (
    band_filters,
    lobe_amplitude,
    lobe_order,
    orientation_cosines,
    polar,
    radial_window,
    residual_filters,
)
from monai_cwmi.data import fetch_sample, load_datalist
from monai_cwmi.explanation import compute_bands, draw_bands
from monai_cwmi.metrics import information_by_level, structure_sizes
from monai_cwmi.pictures.panels import COLOURS

LEVELS, ORIENTATIONS = 4, 4
SIZE = 512  # samples a side: how finely the frequency plane is drawn
MYELIN = 1
WINDOW = (slice(20, 148), slice(30, 158))  # rows and columns of the micrograph that show well


def main() -> None:
    """Draw the pictures."""
    filters_figure().savefig("mathematics_filters.png")
    (case,) = load_datalist(fetch_sample("myelin_sem"), "training")
    image, label = (np.asarray(Image.open(case[key])) for key in ("image", "label"))
    target = label == MYELIN
    save_grey(bands_figure(target[WINDOW], (image > threshold_otsu(image))[WINDOW]), "mathematics_bands.png")
    blur_figure(target).savefig("mathematics_blur.png")


def filters_figure() -> Figure:
    """Radial windows with their residuals, lobes, and what both together pass."""
    figure = Figure(figsize=(10, 6.4), dpi=100, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.25, 1))
    windows, plane = above.subplots(1, 2, width_ratios=(2, 1))
    draw_windows(windows)
    draw_tiling(plane)
    axis = math.pi * torch.linspace(-1, 1, 201, dtype=torch.float64)
    radius, direction = polar(torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1))  # (h, w), (h, w, 2)
    cosines = orientation_cosines(direction, ORIENTATIONS).clamp_min(0)  # (h, w, K)
    lobes = lobe_amplitude(ORIENTATIONS, 2, is_complex=True) * cosines ** lobe_order(ORIENTATIONS, 2)
    for k, axes in enumerate(below.subplots(1, ORIENTATIONS)):
        lobe = lobes[..., k].masked_fill(radius > math.pi, torch.nan)
        shown = axes.imshow(lobe, extent=(-1, 1, 1, -1), cmap="viridis", vmin=0, vmax=float(lobes.max()))
        axes.set_title(rf"$A_{k}(\theta)$, complex", fontsize=11)
        label_plane(axes)
    below.colorbar(shown, ax=below.axes, shrink=0.8)
    return figure


def draw_windows(axes: Axes) -> None:
    """Windows and residuals over the frequencies of one axis, and the sum of their squares."""
    size = 16 * SIZE  # so that the curves of the lowest frequencies are smooth
    rows = torch.arange(1, size // 2, dtype=torch.float64)
    frequencies = (rows, torch.zeros(1, dtype=torch.float64))
    radius = 2 * math.pi * rows / size
    lowest, below_highpass = (residual_filters(frequencies, (size, size), n)[:, 0] for n in (LEVELS, 0))
    windows = [radial_window(radius, n) for n in range(1, LEVELS + 1)]
    highpass = (1 - below_highpass.square()).sqrt()
    total = torch.stack([lowest, highpass, *windows]).square().sum(0)

    def draw(values: Tensor, label: str, **style: Any) -> None:
        axes.plot(radius / math.pi, values.where(values > 0, torch.nan), label=label, **style)

    draw(highpass, r"high-pass $\sqrt{1 - L_0^2}$", linestyle="--", color="#777777")
    for n, window in enumerate(windows, 1):
        draw(window, f"$R_{n}$", color=COLOURS[n - 1], linewidth=2)
    draw(lowest, f"low-pass $L_{LEVELS}$", linestyle=":", color="#777777")
    draw(total, "sum of squares", color="#222222", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_xlim(2**-6, 1)
    ticks = range(-6, 1)
    axes.set_xticks([2.0**power for power in ticks], ["π" if not p else f"π/{2**-p}" for p in ticks])
    axes.set_xlabel("frequency $r$, radians per pixel")
    axes.set_ylim(0, 1.08)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def draw_tiling(axes: Axes) -> None:
    """Where each filter of the pyramid passes more than half of what it passes at most."""
    centred = torch.arange(-SIZE // 2, SIZE // 2, dtype=torch.float64)
    for n in range(1, LEVELS + 1):
        for band in band_filters((centred, centred), (SIZE, SIZE), n, ORIENTATIONS):
            places = 2 * centred / SIZE
            axes.contour(places, places, band, levels=[float(band.max()) / 2], colors=[COLOURS[n - 1]])
    axes.set_aspect("equal")
    axes.set_xlim(-1, 1)
    axes.set_ylim(1, -1)
    axes.set_title("half height of each $R_n A_k$", fontsize=11)
    label_plane(axes)


def label_plane(axes: Axes) -> None:
    """Ticks of a frequency plane in units of π."""
    axes.set_xticks([-1, 1], ["-π", "π"])  # the label stands between them
    axes.set_yticks([-1, 1], ["-π", "π"])
    axes.set_xlabel(r"$w_\mathrm{col}$", labelpad=-8)
    axes.set_ylabel(r"$w_\mathrm{row}$", labelpad=-8)


def bands_figure(target: np.ndarray, prediction: np.ndarray) -> Figure:
    """Bands of a label and of a prediction, both ``(rows, columns)``."""
    masks = tuple(mask.astype(float) for mask in (target, prediction))
    bands = compute_bands(*(torch.from_numpy(mask) for mask in masks[::-1]), num_levels=LEVELS)
    shown = tuple([level.numpy() for level in side] for side in (bands.target, bands.prediction))
    return draw_bands(
        shown,
        masks,
        directions=[f"k = {k}" for k in range(ORIENTATIONS)],
        meaning="orientation of the band",
        sizes=structure_sizes(LEVELS, 2),
        unit="px",
        title="Bands of a label of myelin, and of the micrograph cut at one grey value",
    )


def blur_figure(target: np.ndarray) -> Figure:
    """Information and explained variance of a label against itself blurred."""
    label = torch.from_numpy(target).double()[None, None]
    widths = np.linspace(0, 8, 33)
    levels = [information_by_level(blurred(target, width), label, num_levels=LEVELS) for width in widths]
    figure = Figure(figsize=(10, 3.8), dpi=100, layout="constrained")
    axes = figure.subplots(1, 2)
    for curves, ax in zip(("information", "explained_variance"), axes, strict=True):
        values = torch.stack([getattr(level, curves)[:, 0, 0] for level in levels])  # (widths, N)
        for n, size in enumerate(structure_sizes(LEVELS, 2), 1):
            ax.plot(widths, values[:, n - 1], color=COLOURS[n - 1], linewidth=2, label=f"level {n}, {size:g} px")
        ax.set_xlabel("standard deviation of the blur, px")
        ax.set_xlim(0, widths[-1])
        ax.set_ylim(bottom=0)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("information $I_n$, nats")
    axes[1].set_ylabel("explained variance")
    axes[0].legend(frameon=False)
    return figure


def blurred(target: np.ndarray, width: float) -> Tensor:
    """The mask after a Gaussian of this standard deviation in pixels, ``(1, 1, rows, columns)``."""
    return torch.from_numpy(gaussian(target.astype(float), sigma=width))[None, None]


def save_grey(figure: Figure, path: str) -> None:
    """Save a figure without colours in 48 greys, which makes a small file."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("L").quantize(48).save(path, optimize=True)


if __name__ == "__main__":
    main()
