from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from monai_cwmi.explanation import draw_bands, draw_explained_variance, draw_gradients, draw_information
from monai_cwmi.explanation.figures import format_size, sentence

SIZES = [2.0, 4.0, 8.0]


def texts(figure: Figure) -> list[str]:
    """All that is written in a figure."""
    return [text.get_text() for text in figure.findobj(Text)]


def test_bands_are_drawn_in_one_scale_for_each_level() -> None:
    generator = np.random.default_rng(0)
    target = [generator.random((2, 8 // 2**n, 6 // 2**n)) * np.exp(1j) * 10**n for n in range(2)]
    prediction = [band / 2 for band in target]
    masks = (np.ones((8, 6)), np.zeros((8, 6)))
    options: dict[str, Any] = {
        "directions": ["a", "b"],
        "meaning": "c",
        "sizes": SIZES[:2],
        "unit": "px",
        "title": "Title",
    }
    figure = draw_bands((target, prediction), masks, **options)
    images = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert len(images) == 2 + 2 * 2 * 2
    for level in range(2):
        shown = np.stack(images[1 + 2 * level : 3 + 2 * level])
        white = np.percentile(abs(target[level]), 99.5)
        np.testing.assert_allclose(shown, (abs(target[level]) / white).clip(0, 1))
        np.testing.assert_allclose(
            np.stack(images[6 + 2 * level : 8 + 2 * level]), (abs(target[level]) / 2 / white).clip(0, 1)
        )
    assert {"Title", "target", "prediction", "level 1\n2 px", "level 2\n4 px", "a", "b"} <= set(texts(figure))
    hues = np.asarray(draw_bands((target, prediction), masks, **options, phase=True).axes[1].images[0].get_array())
    assert hues.shape == (8, 6, 3)
    np.testing.assert_allclose(rgb_to_hsv(hues)[..., 0], 1 / (2 * np.pi))  # one radian of the circle of hues


def test_the_information_in_numbers_and_words() -> None:
    explained_variance = np.array([[0.31, math.nan], [0.5, math.nan], [0.92, math.nan]])
    information, bound = np.array([[1.0, 0]] * 3), np.array([[50.0, 0]] * 3)
    figure = draw_information(
        explained_variance, information, bound, class_names=["cell", "core"], sizes=SIZES, unit="mm"
    )
    left, right = figure.axes
    np.testing.assert_allclose(np.asarray(left.lines[0].get_ydata()), explained_variance[:, 0])
    np.testing.assert_allclose(np.asarray(left.lines[0].get_xdata()), SIZES)
    assert [bar.get_height() for bar in right.patches[:6] if isinstance(bar, Rectangle)] == [50] * 3 + [1] * 3
    assert "cell: fine structure (2 mm) 31 % explained, coarse (8 mm) 92 % explained\ncore: not in the target" in texts(
        figure
    )
    figure.draw_without_rendering()


def test_the_mean_of_cases_is_drawn_through_their_points() -> None:
    sizes = np.array([[1.0, 2.0, 4.0], [2.0, 4.0, 8.0]])
    explained_variance = np.array([[[0.2, 0.4, 0.6]], [[0.4, 0.8, math.nan]]])
    axes = Figure().subplots()
    draw_explained_variance(axes, sizes, explained_variance, class_names=["cell"], unit="mm")
    points, line = axes.lines
    np.testing.assert_allclose(sorted(np.asarray(points.get_ydata())), [0.2, 0.4, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(np.asarray(line.get_ydata()), [0.3, 0.6, 0.6])
    np.testing.assert_allclose(np.asarray(line.get_xdata()), np.sqrt([2, 8, 32]))


def test_more_is_orange_and_less_is_violet() -> None:
    target, prediction = np.zeros((20, 30)), np.zeros((20, 30))
    target[5:10, 5:10], prediction[5:10, 6:12] = 1, 0.9
    gradient = np.where(target > 0, 2.0, -2.0)
    figure = draw_gradients(
        np.zeros((20, 30)),
        target,
        prediction,
        [gradient, 0 * gradient],
        ["a", "b"],
        title="Title",
        bar=(8, "8 px"),
        aspect=2,
    )
    panel = figure.axes[1]
    assert panel.get_title() == "a"
    assert panel.get_aspect() == 2
    colours = panel.images[0].to_rgba(np.array([[2.0, -2.0]]))
    (red, _, blue), (other_red, _, other_blue) = colours[0, :, :3]
    assert red > blue + 0.3, to_hex(colours[0, 0])
    assert other_blue > other_red + 0.1, to_hex(colours[0, 1])
    assert {"Title", "image", "8 px"} <= set(texts(figure))
    figure.draw_without_rendering()


@pytest.mark.parametrize(("size", "expected"), [(2, "2 px"), (0.28, "0.28 px"), (11.2, "11 px"), (128, "128 px")])
def test_sizes_in_words(size: float, expected: str) -> None:
    assert format_size(size, "px") == expected


def test_one_level_in_words() -> None:
    assert sentence("cell", [0.5, math.nan], [2, 4], "px") == "cell: fine structure (2 px) 50 % explained"
