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


def views(picture: np.ndarray, panel: int, panels: int) -> list[np.ndarray]:
    """The drawn images in a panel from top to bottom, found as the picture's own non-white rectangles."""
    width = picture.shape[1] // panels
    strip = picture[:, panel * width : (panel + 1) * width]
    # Rows of text are mostly white.
    rows = np.flatnonzero((strip.min(2) < 250).mean(1) > 0.4)
    found = []
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        columns = np.flatnonzero((strip.min(2) < 250)[run].mean(0) > 0.8)
        found.append(strip[run[0] : run[-1] + 1, columns[0] : columns[-1] + 1])
    return found


def quarter_colours(view: np.ndarray) -> dict[str, np.ndarray]:
    """The colour in the middle of each quarter of a view."""
    height, width = view.shape[:2]
    y, x = {"upper": height // 4, "lower": 3 * height // 4}, {"left": width // 4, "right": 3 * width // 4}
    return {f"{v} {h}": view[y[v], x[h]] for v in y for h in x}


def assert_colours(view: np.ndarray, orange: set[str], blue: set[str]) -> None:
    """Two classes laid over black in these quarters of a view, and nothing elsewhere."""
    for quarter, colour in quarter_colours(view).items():
        expected = 0.55 * ORANGE if quarter in orange else 0.55 * BLUE if quarter in blue else np.zeros(3)
        np.testing.assert_allclose(colour, expected, atol=3, err_msg=quarter)


def test_classes_are_drawn_where_they_are(tmp_path: Path, label: np.ndarray) -> None:
    picture = draw(tmp_path / "a.png", np.zeros((40, 60)), label, label[::-1])
    (image,), (target,), (prediction,) = (views(picture, panel, 3) for panel in range(3))
    assert_colours(image, set(), set())
    assert_colours(prediction, {"upper right"}, {"lower left"})
    assert_colours(target, {"lower right"}, {"upper left"})


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_an_image_of_three_channels_is_drawn_in_colour(tmp_path: Path, label: np.ndarray, scale: float) -> None:
    colours = np.zeros((40, 60, 3))
    colours[:20, :30] = 255, 51, 0
    colours[20:, 30:] = 0, 102, 204
    picture = draw(tmp_path / "a.png", scale * colours - 1, label, np.zeros_like(label))
    (image,), (target,), (prediction,) = (views(picture, panel, 3) for panel in range(3))
    for view in (image, target):
        corners = quarter_colours(view)
        np.testing.assert_allclose(corners["upper left"], (255, 51, 0), atol=3)
        np.testing.assert_allclose(corners["lower right"], (0, 102, 204), atol=3)
    np.testing.assert_allclose(quarter_colours(prediction)["upper right"], 0.55 * ORANGE, atol=3)


def test_a_volume_of_three_slices_has_no_colours(tmp_path: Path) -> None:
    volume = np.zeros((20, 24, 3), np.uint8)
    volume[5:, 5:, 1:] = 1
    picture = draw(tmp_path / "a.png", volume, np.zeros_like(volume))
    assert len(views(picture, 0, 2)) == 3
    assert all((view == view[..., :1]).all() for view in views(picture, 0, 2))


def test_an_image_of_one_colour_is_drawn(tmp_path: Path, label: np.ndarray) -> None:
    draw(tmp_path / "a.png", np.full((40, 60, 3), 7), label)


@pytest.fixture
def volume() -> np.ndarray:
    """One class at the right front, another at the upper left and in one slice at the lower back too."""
    labels = np.zeros((20, 24, 16), np.uint8)
    labels[10:, 12:, :] = 1
    labels[:10, :, 8:] = 2
    labels[3, :12, :] = 2
    return labels


def test_a_volume_is_drawn_in_three_planes(tmp_path: Path, volume: np.ndarray) -> None:
    picture = draw(tmp_path / "a.png", np.zeros(volume.shape), np.zeros_like(volume), volume)
    images, targets, predictions = (views(picture, panel, 3) for panel in range(3))
    for view in images + predictions:
        assert_colours(view, set(), set())
    axial, coronal, sagittal = targets
    # The patient's right is on the left, the front (axial, sagittal: on the left) and the head are up.
    assert_colours(axial, {"upper left"}, {"upper right", "lower right"})
    assert_colours(coronal, {"upper left", "lower left"}, {"upper right"})
    assert_colours(sagittal, set(), {"upper left", "upper right", "lower right"})


def test_without_a_target_the_prediction_chooses_the_slices(tmp_path: Path, volume: np.ndarray) -> None:
    _, predictions = (views(draw(tmp_path / "a.png", np.zeros(volume.shape), volume), panel, 2) for panel in range(2))
    assert_colours(predictions[2], set(), {"upper left", "upper right", "lower right"})


def test_a_small_class_is_not_missed(tmp_path: Path) -> None:
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[:, :, :20] = 1
    labels[5:10, 5:10, 25] = 2
    for view in views(draw(tmp_path / "a.png", np.zeros(labels.shape), labels), 1, 2)[:1]:
        assert np.isclose(view, 0.55 * BLUE, atol=3).all(-1).any()


def test_a_volume_is_drawn_in_proportion(tmp_path: Path, volume: np.ndarray) -> None:
    save_panels(tmp_path / "a.png", np.zeros(volume.shape), volume, class_names=NAMES, spacing=(2, 1, 1.5))
    found = views(np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int), 0, 2)
    # Millimetres across and down: 40 from side to side, 24 from back to front, 24 from foot to head.
    scale = found[0].shape[1] / 40
    for view, (height, width) in zip(found, ((24, 40), (24, 40), (24, 24)), strict=True):
        np.testing.assert_allclose(view.shape[:2], (scale * height, scale * width), rtol=0.03)


def test_an_empty_volume_is_drawn_in_its_middle(tmp_path: Path) -> None:
    image = np.zeros((9, 9, 9))
    image[0, 0, :] = 2
    image[4, 4, :] = image[4, :, 4] = image[:, 4, 4] = 1
    picture = draw(tmp_path / "a.png", image, np.zeros(image.shape))
    for view in views(picture, 0, 2):
        height, width = view.shape[:2]
        # Only a slice through the middle shows the whole cross.
        for row, column in ((height // 2, width // 4), (height // 4, width // 2)):
            np.testing.assert_allclose(view[row, column], 127, atol=2)


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
    with pytest.raises(ValueError, match=r"image must have the shape .*, got \(1, 1, 40, 60\)"):
        save_panels(path, label[None, None], label, class_names=NAMES)
    with pytest.raises(ValueError, match=r"image must have the shape .*, got \(40, 60, 3, 1\)"):
        save_panels(path, np.zeros((40, 60, 3, 1)), label, class_names=NAMES)
    with pytest.raises(ValueError, match=r"prediction has the shape \(40, 60\), the image \(40, 60, 4\)"):
        save_panels(path, np.zeros((40, 60, 4)), label, class_names=NAMES)
    with pytest.raises(ValueError, match=r"spacing must hold 2 positive numbers, .*, got \[1.0, 1.0, 2.0\]"):
        save_panels(path, label, label, class_names=NAMES, spacing=(1, 1, 2))
    with pytest.raises(ValueError, match=r"spacing must hold 2 positive numbers, .*, got \[1.0, 0.0\]"):
        save_panels(path, label, label, class_names=NAMES, spacing=(1, 0))
    with pytest.raises(ValueError, match=r"prediction has the shape \(60, 40\), the image \(40, 60\)"):
        save_panels(path, label, label.T, class_names=NAMES)
    with pytest.raises(ValueError, match=r"target holds \[7\]"):
        save_panels(path, label, label, np.full_like(label, 7), class_names=NAMES)
    with pytest.raises(ValueError, match="prediction holds"):
        save_panels(path, label, label / 2, class_names=NAMES)
    with pytest.raises(ValueError, match="must hold 2 names at least, got 1"):
        save_panels(path, label, label, class_names=["background"])
    assert not path.exists()


def test_more_classes_than_colours(tmp_path: Path) -> None:
    label = np.arange(10).reshape(2, 5).repeat(8, 0).repeat(8, 1)
    save_panels(tmp_path / "a.png", label, label, class_names=[f"class {index}" for index in range(10)])
    assert (tmp_path / "a.png").is_file()
