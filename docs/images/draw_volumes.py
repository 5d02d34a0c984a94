"""Draw volumes.png: what each value of ``slice_dims`` compares, on the organ of the ``organ_ct`` sample.

Run in the folder that the picture is to lie in: ``python draw_volumes.py``.
"""

from __future__ import annotations

import nibabel
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from monai_cwmi import SteerablePyramid
from monai_cwmi.data import fetch_sample, load_datalist

LEVEL = 2
PLANES = {2: "axial", 1: "coronal", 0: "sagittal"}


def energy(image: Tensor, pyramid: SteerablePyramid) -> Tensor:
    """Absolute value of the bands of one level, ``(K, ...)``."""
    return pyramid(image).bands[LEVEL - 1].abs()


def show(ax: Axes, image: Tensor, title: str, *, colours: str = "inferno") -> None:
    """One picture, the first axis to the right and the second upwards."""
    ax.imshow(image.mT, origin="lower", cmap=colours, interpolation="bilinear" if colours == "inferno" else "nearest")
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


def main() -> None:
    """Draw the picture."""
    case = load_datalist(fetch_sample("organ_ct"), "training")[0]
    volume = torch.from_numpy(nibabel.load(case["label"]).get_fdata() > 0).float()  # (H, W, D)
    middle = [round(float(index)) for index in volume.nonzero().double().mean(0)]
    plane, space = SteerablePyramid(), SteerablePyramid(spatial_dims=3)

    figure = Figure(figsize=(10, 6.2), dpi=100, layout="constrained")
    rows = figure.subfigures(3, 1, hspace=0.04)
    titles = (
        "slice_dims=(-1,): each axial slice with its bands in the plane, K = 4",
        "slice_dims=(0, 1, 2): slices of all three orientations; their bands, added up",
        "slice_dims=None: the volume with its bands in space, K = 6 (here where an axial slice cuts them)",
    )
    for row, title in zip(rows, titles, strict=True):
        row.suptitle(title, fontsize=11, x=0.01, ha="left")
    axes = [row.subplots(1, 7) for row in rows]

    axial = volume.select(2, middle[2])
    show(axes[0][0], axial, "target", colours="gray")
    for k, band in enumerate(energy(axial, plane)):
        show(axes[0][1 + k], band, f"orientation {k + 1}")
    for column, (axis, name) in enumerate(PLANES.items()):
        cut = volume.select(axis, middle[axis])
        show(axes[1][2 * column], cut, name, colours="gray")
        show(axes[1][2 * column + 1], energy(cut, plane).square().sum(0).sqrt(), "bands")
    show(axes[2][0], axial, "target", colours="gray")
    for k, band in enumerate(energy(volume, space)):
        show(axes[2][1 + k], band.select(2, middle[2] // 2 ** (LEVEL - 1)), f"orientation {k + 1}")
    for unused in (*axes[0][5:], axes[1][6]):
        unused.set_axis_off()
    figure.savefig("volumes.png")


if __name__ == "__main__":
    main()
