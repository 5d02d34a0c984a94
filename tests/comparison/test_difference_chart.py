from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from monai_cwmi.comparison import difference_chart

NAN = float("nan")


def _differences(rows: list[tuple[str, str, float, float, float, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["metric", "rival", "advantage", "low", "high", "p_holm"])
    return table.assign(baseline="CWMI")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def _panels(figure: Figure) -> list[Axes]:
    return [ax for ax in figure.axes if ax.axison]


def test_intervals_and_marks(tmp_path: Path, drawn: list[Figure]) -> None:
    rows = [
        ("miou", "sure", 0.2, 0.1, 0.3, 0.01),
        ("miou", "unsure", -0.1, -0.3, 0.1, 0.4),
        ("miou", "one", 0.05, NAN, NAN, NAN),
        ("miou", "none", NAN, NAN, NAN, NAN),
    ]
    path = difference_chart.draw_differences(_differences(rows), tmp_path / "differences.png")
    pixels = np.asarray(Image.open(path).convert("RGB")) / 255
    areas = [
        (np.abs(pixels - to_rgb(colour)).max(-1) < 0.01).sum()
        for colour in (difference_chart._SURE, difference_chart._UNSURE)
    ]
    assert min(areas) > 100
    (panel,) = _panels(drawn[0])
    assert panel.get_title() == "mIoU ↑"
    assert [label.get_text() for label in panel.get_yticklabels()] == ["sure", "unsure", "one", "none"]
    lines: dict[object, list[tuple[list[float], list[float]]]] = {line.get_color(): [] for line in panel.lines}
    for line in panel.lines:
        lines[line.get_color()].append((np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()))
    assert lines[difference_chart._SURE] == [([0.1, 0.3], [0, 0]), ([0.2], [0])]
    assert lines[difference_chart._UNSURE] == [([-0.3, 0.1], [1, 1]), ([-0.1], [1]), ([0.05], [2])]
    assert lines["black"] == [([0, 0], [0, 1])]  # of no difference
    assert [(text.get_text(), text.get_position()[1]) for text in panel.texts] == [("no pairs", 3)]


def test_a_panel_for_each_metric_and_letters_that_can_be_read(tmp_path: Path, drawn: list[Figure]) -> None:
    metrics = ["miou", "mdice", "vi", "ari", "mhd", "assd"]
    rows = [(metric, "CE", 0.2, 0.1, 0.3, 0.01) for metric in metrics]
    difference_chart.draw_differences(_differences(rows), tmp_path / "differences.png")
    panels = _panels(drawn[0])
    assert [panel.get_title() for panel in panels] == [
        *("mIoU ↑", "mDice ↑", "VI (bits) ↓", "ARI ↑", "HD (modified, px) ↓", "ASSD (px) ↓")
    ]
    labels = [label for panel in panels for label in (*panel.get_xticklabels(), *panel.get_yticklabels(), panel.title)]
    assert min(float(label.get_fontsize()) for label in labels) >= 10
    assert "positive (right of the line) is in favour of CWMI" in drawn[0].get_suptitle()


def test_names_are_taken_as_they_are(tmp_path: Path, drawn: list[Figure]) -> None:
    rows = [("miou", r"$\frac{$ _{" + "\nx", 0.2, 0.1, 0.3, 0.01)]
    difference_chart.draw_differences(_differences(rows).assign(baseline="$^$"), tmp_path / "differences.png")
    assert _panels(drawn[0])[0].get_yticklabels()[0].get_text() == r"$\frac{$ _{ x"


def test_the_same_picture_twice(tmp_path: Path) -> None:
    differences = _differences([("vi", "CE", 0.2, 0.1, 0.3, 0.01)])
    first, second = (difference_chart.draw_differences(differences, tmp_path / f"{name}.png") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
