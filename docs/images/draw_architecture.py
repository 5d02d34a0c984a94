"""Draw the picture of docs/architecture.md: ``python docs/images/draw_architecture.py``."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

CORE, REST, OUTSIDE = "#ffd9a6", "#d6e6f2", "#e8e8e8"
# Layers from the top: boxes of a name, a line of explanation and a colour.
LAYERS = [
    [
        ("commands", "the command line", REST),
        ("bundles/", "configuration, rendered", OUTSIDE),
        ("nnunet", "trainers for nnU-Net", REST),
    ],
    [
        ("comparison", "what losses achieve", REST),
        ("benchmark", "what losses cost", REST),
        ("explanation", "what the loss sees", REST),
        ("clinic", "scans to data sets", REST),
    ],
    [
        ("training", "handlers", REST),
        ("metrics", "structure, levels", REST),
        ("pictures", "panels", REST),
        ("data", "samples, folders", REST),
        ("maps", "of labels", REST),
    ],
    [("losses", "weighted, named terms", CORE)],
    [("functional", "public functions, and the runner of all measures", CORE)],
    [("measures", "moments to numbers", CORE)],
    [("bands", "images to spectra to moments", CORE)],
]
WIDTH, HEIGHT, GAP = 10.0, 0.62, 0.26


def main() -> None:
    """Write ``architecture.png`` beside this file."""
    figure = Figure(figsize=(9, 6.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    for row, boxes in enumerate(LAYERS):
        y = (len(LAYERS) - 1 - row) * (HEIGHT + GAP)
        width = (WIDTH - GAP * (len(boxes) - 1)) / len(boxes)
        for column, (name, words, colour) in enumerate(boxes):
            draw_box(axes, column * (width + GAP), y, width, name, words, colour)
    axes.annotate(
        "imports",
        (WIDTH + 0.35, 0),
        (WIDTH + 0.35, len(LAYERS) * (HEIGHT + GAP) - GAP),
        ha="center",
        va="bottom",
        fontsize=10,
        arrowprops={"arrowstyle": "-|>", "color": "#555555", "shrinkA": 0, "shrinkB": 0},
    )
    axes.set_xlim(-0.1, WIDTH + 0.9)
    axes.set_ylim(-0.1, len(LAYERS) * (HEIGHT + GAP) + 0.15)
    axes.set_axis_off()
    figure.savefig(Path(__file__).with_name("architecture.png"))


def draw_box(axes: Axes, x: float, y: float, width: float, name: str, words: str, colour: str) -> None:
    """Draw one part of the package."""
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch((x, y), width, HEIGHT, boxstyle=style, facecolor=colour, edgecolor="#555555"))
    axes.text(x + width / 2, y + 0.62 * HEIGHT, name, ha="center", va="center", fontsize=11, weight="bold")
    axes.text(x + width / 2, y + 0.26 * HEIGHT, words, ha="center", va="center", fontsize=9)


if __name__ == "__main__":
    main()
