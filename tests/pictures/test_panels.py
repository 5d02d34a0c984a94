from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_cwmi.pictures import save_panels

NAMES = ["background", "myelin", "axon"]
ORANGE, BLUE = np.array([255, 159, 28]), np.array([0, 180, 216])


@pytest.fixture
def label() -> np.ndarray:
    """Myelin in the upper right quarter, axon in the lower left, background elsewhere."""
    label = np.zeros((40, 60), np.int64)
    label[:20, 30:] = 1
    label[20:, :30] = 2
    return label


def draw(path: Path, *arguments: np.ndarray | torch.Tensor) -> np.ndarray:
    save_panels(path, *arguments, class_names=NAMES)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def quarter_colours(picture: np.ndarray, panel: int, panels: int) -> dict[str, np.ndarray]:
    """The colour in the middle of each quarter of a panel's image, found from the picture's own black pixels."""
    width = picture.shape[1] // panels
    view = picture[:, panel * width : (panel + 1) * width]
    # Runs of non-white pixels down the panel: the image is by far the longest.
    rows = np.flatnonzero((view.min(2) < 250).mean(1) > 0.8)
    columns = np.flatnonzero((view.min(2) < 250)[rows].mean(0) > 0.8)
    top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
    y = {"upper": top + (bottom - top) // 4, "lower": bottom - (bottom - top) // 4}
    x = {"left": left + (right - left) // 4, "right": right - (right - left) // 4}
    return {f"{v} {h}": view[y[v], x[h]] for v in y for h in x}


def test_classes_are_drawn_where_they_are(tmp_path: Path, label: np.ndarray) -> None:
    picture = draw(tmp_path / "a.png", np.zeros((40, 60)), label, label[::-1])
    image, target, prediction = (quarter_colours(picture, panel, 3) for panel in range(3))
    black = np.zeros(3)
    for colour in image.values():
        np.testing.assert_array_equal(colour, black)
    for panel, (myelin, axon) in ((prediction, ("upper right", "lower left")), (target, ("lower right", "upper left"))):
        for quarter, colour in panel.items():
            expected = 0.55 * ORANGE if quarter == myelin else 0.55 * BLUE if quarter == axon else black
            np.testing.assert_allclose(colour, expected, atol=3)


def test_the_target_panel_is_left_out_without_a_target(tmp_path: Path, label: np.ndarray) -> None:
    with_target = draw(tmp_path / "a.png", label, label, label)
    without = draw(tmp_path / "b.png", label, label)
    assert without.shape[0] == with_target.shape[0]
    assert without.shape[1] * 3 == with_target.shape[1] * 2


def test_the_legend_shows_each_colour(tmp_path: Path) -> None:
    empty = np.zeros((40, 60), int)
    picture = draw(tmp_path / "a.png", empty, empty)
    for colour in (ORANGE, BLUE):
        assert (picture == colour).all(-1).sum() > 100


def test_tensors_and_arrays_give_the_same_picture(tmp_path: Path, label: np.ndarray) -> None:
    arrays = draw(tmp_path / "a.png", label.astype(np.float32), label)
    tensors = draw(tmp_path / "b.png", torch.from_numpy(label).float(), torch.from_numpy(label))
    np.testing.assert_array_equal(arrays, tensors)


def test_folders_are_made(tmp_path: Path, label: np.ndarray) -> None:
    draw(tmp_path / "new" / "folder" / "a.png", label, label)


def test_bad_input_is_named(tmp_path: Path, label: np.ndarray) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match=r"image must have the shape \(rows, columns\), got \(1, 40, 60\)"):
        save_panels(path, label[None], label, class_names=NAMES)
    with pytest.raises(ValueError, match=r"prediction has the shape \(60, 40\), the image \(40, 60\)"):
        save_panels(path, label, label.T, class_names=NAMES)
    with pytest.raises(ValueError, match=r"target holds \[7\]"):
        save_panels(path, label, label, np.full_like(label, 7), class_names=NAMES)
    with pytest.raises(ValueError, match="prediction holds"):
        save_panels(path, label, label / 2, class_names=NAMES)
    with pytest.raises(ValueError, match="must hold 2 to 7 names, got 1"):
        save_panels(path, label, label, class_names=["background"])
    assert not path.exists()
