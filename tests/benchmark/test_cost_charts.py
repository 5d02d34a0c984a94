from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from benchmark.made_up import GROWTHS, SMALL, TIMINGS
from monai_cwmi.benchmark import Timing, cost_charts


def _pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def _num_coloured(pixels: np.ndarray, colour: str) -> int:
    return int((np.abs(pixels / 255 - np.array(to_rgb(colour))).max(-1) < 0.01).sum())


def test_speed_chart_has_bars_in_three_colours(tmp_path: Path) -> None:
    pixels = _pixels(cost_charts.draw_speed(TIMINGS, tmp_path / "speed.png"))
    assert pixels.shape[1] == 900
    areas = [
        _num_coloured(pixels, colour) for colour in (cost_charts._OURS, cost_charts._OTHERS, cost_charts._REFERENCE)
    ]
    assert min(areas) > 1000
    # A bar's length is the logarithm of its ratio: 3.5, 1 / 0.5 and 100.
    assert areas[2] > areas[0] > areas[1]


@pytest.mark.parametrize("name", ["floor: 2 rfftn + 1 irfftn", "CWMILoss"])
def test_a_chart_of_failures_is_drawn_all_the_same(tmp_path: Path, name: str) -> None:
    failed = Timing(name, SMALL, (), error="MemoryError: none left")
    assert _pixels(cost_charts.draw_speed([failed], tmp_path / "failed.png")).size


def test_growth_chart(tmp_path: Path) -> None:
    pixels = _pixels(cost_charts.draw_growth(GROWTHS, tmp_path / "growth.png"))
    assert pixels.shape[1] == 900
    assert _num_coloured(pixels, cost_charts._OURS) > 100


def test_five_quantities_fit_beside_a_legend(tmp_path: Path) -> None:
    growths = [
        point._replace(quantity=name, loss=replace(point.loss, ratio=2.0)) for name in "abcde" for point in GROWTHS[:2]
    ]
    two_rows = _pixels(cost_charts.draw_growth(growths, tmp_path / "five.png")).shape[0]
    assert two_rows == 2 * _pixels(cost_charts.draw_growth(GROWTHS, tmp_path / "two.png")).shape[0]
