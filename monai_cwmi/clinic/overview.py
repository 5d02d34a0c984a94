"""Tables and pictures of a prepared data set."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from monai.utils import optional_import

from monai_cwmi.clinic.ledger import Ledger, class_names

if TYPE_CHECKING:
    from SimpleITK import Image

figures, _ = optional_import("matplotlib.figure")
colours, _ = optional_import("matplotlib.colors")
panels, _ = optional_import("monai_cwmi.pictures.panels")  # which needs matplotlib to be imported
sitk, _ = optional_import("SimpleITK")

PANEL = 3.0  # inches
DPI = 100


def report_rows(ledger: Ledger) -> list[list[str]]:
    """Return a row for each case below a row of titles, one column for what is told of it."""
    names = class_names(ledger)[1:]
    titles = ["case", "patient", "section", "modality", "size", "spacing (mm)", "orientation", "intensity"]
    rows = [titles + [f"{name} ({unit})" for name in names for unit in ("voxels", "ml")]]
    for case, entry in ledger.cases.items():
        facts = entry.facts
        row = [case, entry.patient, entry.section, facts.modality, _times(facts.size), _times(facts.spacing)]
        row += [facts.orientation, f"{facts.intensity[0]:.6g} to {facts.intensity[1]:.6g}"]
        for value in range(1, len(names) + 1):
            number = facts.voxels.get(value, 0)
            row += [str(number), f"{number * np.prod(facts.spacing) / 1000:.2f}"]
        rows.append(row)
    return rows


def markdown_report(ledger: Ledger) -> str:
    """Return the report as Markdown: how many cases and patients, the table, the pictures."""
    rows = report_rows(ledger)
    lines = ["# Prepared cases", ""]
    for section in dict.fromkeys(entry.section for entry in ledger.cases.values()):
        patients = [entry.patient for entry in ledger.cases.values() if entry.section == section]
        lines.append(f"* {section}: {len(patients)} cases of {len(set(patients))} patients")
    lines += ["", *("| " + " | ".join(row) + " |" for row in rows)]
    lines.insert(-len(rows) + 1, "| " + " | ".join("---" for _ in rows[0]) + " |")
    lines += ["", "Orientation: towards which sides of the patient the axes of the file point.", ""]
    lines += [f"![{case}]({case}.png)" for case in ledger.cases]
    return "\n".join(lines) + "\n"


def csv_report(ledger: Ledger) -> str:
    """Return the table as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(report_rows(ledger))
    return text.getvalue()


def draw_case(image: Image, label: Image, path: Path) -> None:
    """Draw the axial, coronal and sagittal slice with most of the label, without and with it.

    The patient's right is on the left, as radiologists have it. From the seventh class on colours begin anew.
    """
    # Columns run to the patient's left, rows to the front or the head, which "lower" puts on top.
    turned = sitk.DICOMOrient(image, "LAS")
    grey, classes = (sitk.GetArrayFromImage(each) for each in (turned, sitk.DICOMOrient(label, "LAS")))
    spacing = turned.GetSpacing()[::-1]
    low, high = np.percentile(grey, (0.5, 99.5))
    palette = colours.ListedColormap(panels.COLOURS)
    figure = figures.Figure(figsize=(3 * PANEL, 2 * PANEL), dpi=DPI, layout="constrained")
    for axis, column in enumerate(figure.subplots(2, 3).T):
        index = int(np.argmax(np.count_nonzero(classes, axis=tuple({0, 1, 2} - {axis}))))
        index = index if classes.any() else grey.shape[axis] // 2
        rows, columns = np.delete(spacing, axis)
        view = classes.take(index, axis)
        shown = np.ma.masked_where(view == 0, (view.astype(int) - 1) % len(panels.COLOURS))
        for axes in column:
            axes.imshow(grey.take(index, axis), "gray", vmin=low, vmax=high, origin="lower", aspect=rows / columns)
            axes.set_axis_off()
        limits = {"vmin": -0.5, "vmax": len(panels.COLOURS) - 0.5, "alpha": panels.OPACITY}
        axes.imshow(shown, palette, **limits, origin="lower", aspect=rows / columns, interpolation="nearest")
    figure.savefig(path, format="png")


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
