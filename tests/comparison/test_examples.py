from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from comparison.conftest import MakeResults
from monai_cwmi.comparison import examples
from monai_cwmi.comparison.examples import PER_LINE, Example, classify_errors, draw_examples, read_example

WHITE, ORANGE, BLUE, YELLOW = (225, 225, 225), (213, 94, 0), (86, 180, 233), (240, 228, 66)
GREYS = {(128, 128, 128), (84, 84, 84)}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[np.ndarray]]:
    """The pictures that were drawn, by title."""
    pictures: dict[str, list[np.ndarray]] = {}

    def keep(ax: Axes, picture: np.ndarray, title: str) -> None:
        pictures.setdefault(title, []).append(picture.copy())
        show(ax, picture, title)

    show = examples._show
    monkeypatch.setattr(examples, "_show", keep)
    return pictures


def _example(shape: tuple[int, ...] = (20, 30), channels: int = 1, *, title: str = "a") -> Example:
    generator = np.random.default_rng(0)
    target, prediction = np.zeros((2, *shape), np.uint8)
    target[2:10, 2:10], prediction[6:14, 2:10] = 1, 1
    return Example(title, generator.normal(size=(channels, *shape)), target, prediction)


def test_errors_are_told_apart_one_by_one() -> None:
    prediction, target = np.meshgrid([0, 1, 2], [0, 1, 2, 255])
    kinds = {0: "correct background", 1: "correct", 2: "missed", 3: "too much", 4: "another class", 5: "unlabelled"}
    assert tuple(kinds.values()) == examples._LEGEND
    found = classify_errors(prediction.astype(np.uint8), target.astype(np.uint8))
    for p, t, kind in zip(prediction.flat, target.flat, found.flat, strict=True):
        if t == 255:
            expected = "unlabelled"
        elif p == t:
            expected = "correct" if t else "correct background"
        else:
            expected = "missed" if p == 0 else "too much" if t == 0 else "another class"
        assert kinds[int(kind)] == expected


def test_colours_stand_where_the_errors_are(tmp_path: Path, shown: dict[str, list[np.ndarray]]) -> None:
    example = _example()
    example.target[:, 25:] = 255
    example.target[17, :5], example.prediction[17, :5] = 2, 1
    path = draw_examples([{"CE": example}], tmp_path / "examples.png")
    (image,), (target,), (prediction,) = (shown[title] for title in ("a", "target", "CE"))
    assert tuple(prediction[4, 5]) == ORANGE
    assert tuple(prediction[8, 5]) == WHITE
    assert tuple(prediction[12, 5]) == BLUE
    assert tuple(prediction[17, 2]) == YELLOW
    assert tuple(prediction[0, 0]) == tuple(target[0, 0]) == (0, 0, 0)
    assert target[4, 5, 0] == 112  # the first of two classes
    assert tuple(target[17, 2]) == WHITE
    for picture in (target, prediction):
        assert {tuple(colour) for colour in picture[:, 25:].reshape(-1, 3)} == GREYS
    assert image.shape == (20, 30, 3)
    pixels = {tuple(pixel) for pixel in np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).tolist()}
    assert {ORANGE, WHITE, BLUE, YELLOW} <= pixels


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_are_grey_or_in_colour(tmp_path: Path, shown: dict[str, list[np.ndarray]], channels: int) -> None:
    example = _example(channels=channels)
    draw_examples([{"CE": example}], tmp_path / "examples.png")
    (image,) = shown["a"]
    assert image.min() == 0
    assert image.max() == 1
    is_grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all())
    assert is_grey == (channels != 3)
    if channels == 3:  # one scale for all, or its colours would change
        order = np.argsort(example.image.transpose(1, 2, 0), axis=None)
        assert (np.diff(image.ravel()[order]) >= 0).all()


def test_a_constant_image_and_an_empty_mask(tmp_path: Path, shown: dict[str, list[np.ndarray]]) -> None:
    empty = np.zeros((9, 7), np.uint8)
    draw_examples([{"CE": Example("a", np.full((1, 9, 7), 5.0), empty, empty)}], tmp_path / "examples.png")
    assert all(not picture.any() for pictures in shown.values() for picture in pictures)


def test_of_a_volume_the_fullest_slice(tmp_path: Path, shown: dict[str, list[np.ndarray]]) -> None:
    example = _example((20, 30, 5))
    example.target[:], example.prediction[:] = 0, 0
    example.target[3, 4, 1] = 1
    example.target[3:5, 4, 3] = 1
    example.target[:, :, 4] = 255  # is no foreground
    example.prediction[10, 20, 3] = 1
    draw_examples([{"CE": example}], tmp_path / "examples.png")
    (prediction,) = shown["CE"]
    assert prediction.shape == (30, 20, 3)
    # Front up and the patient's right on the left, as the pictures of bundles.
    assert tuple(prediction[29 - 4, 19 - 3]) == tuple(prediction[29 - 4, 19 - 4]) == ORANGE
    assert tuple(prediction[29 - 20, 19 - 10]) == BLUE
    (image,) = shown["a"]
    order = np.argsort(example.image[0, :, :, 3].T[::-1, ::-1], axis=None)
    assert (np.diff(image[..., 0].ravel()[order]) >= 0).all()


def test_many_losses_go_on_in_the_next_line(tmp_path: Path) -> None:
    def size(count: int) -> tuple[int, int]:
        row = {f"loss {number}": _example() for number in range(count)}
        return Image.open(draw_examples([row], tmp_path / f"{count}.png")).size

    one, full, wrapped = size(1), size(PER_LINE), size(PER_LINE + 2)
    assert one[1] == full[1]
    assert one[0] * (2 + PER_LINE) == pytest.approx(full[0] * 3, abs=8)
    assert wrapped[0] == size(4)[0]  # in two lines of the same length
    assert wrapped[1] > 1.5 * full[1]


def test_an_image_may_lack_a_loss(tmp_path: Path, shown: dict[str, list[np.ndarray]]) -> None:
    rows = [{"CE": _example()}, {"CE": _example(title="b"), "CWMI": _example(title="b")}]
    draw_examples(rows, tmp_path / "examples.png")
    assert {title: len(pictures) for title, pictures in shown.items()} == {
        "a": 1,
        "b": 1,
        "target": 2,
        "CE": 2,
        "CWMI": 1,
    }


def test_names_are_taken_as_they_are(tmp_path: Path) -> None:
    assert draw_examples([{r"$\frac{ <" + "x" * 90: _example(title=r"$^$/_")}], tmp_path / "examples.png").is_file()


def test_reading(make_results: MakeResults) -> None:
    path = make_results(["CE"], seeds=[3], folds=1) / "cells" / "CE" / "fold0_seed3" / "example.npz"
    example = read_example(path)
    assert example.title == "0.png\nfold 0, seed 3"
    assert example.image.shape == (1, 24, 32)
    assert example.target.shape == example.prediction.shape == (24, 32)


def test_the_same_picture_twice(tmp_path: Path) -> None:
    first, second = (draw_examples([{"CE": _example()}], tmp_path / f"{name}.png") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
