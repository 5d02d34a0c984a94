from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.measure import label as connect

from maps.labels import DEGENERATE, LABELS, UNLABELLED, distances, masks
from monai_cwmi.maps import BorderWeightd
from monai_cwmi.maps.border import border_weight


def reference(label: np.ndarray) -> np.ndarray:
    """The equation, pixel by pixel."""
    weights = np.zeros(label.shape)
    components = connect(label == 0, connectivity=1)
    objects = [np.argwhere(components == number) for number in range(1, components.max() + 1)]
    for pixel in np.argwhere(label == 1):
        nearest = sorted(distances(pixel, places).min() for places in objects)[:2]
        if len(nearest) == 1:
            nearest *= 2
        if nearest:
            weights[tuple(pixel)] = 10 * math.exp(-((nearest[0] + nearest[1]) ** 2) / (2 * 5**2))
    return weights


@pytest.mark.parametrize("label", [*LABELS, *DEGENERATE.values()])
def test_the_map_is_its_equation(label: np.ndarray) -> None:
    found = border_weight(*masks(label))
    np.testing.assert_allclose(found, reference(label), rtol=1e-12)
    transformed = BorderWeightd("label", ignore_index=UNLABELLED)({"label": label[None]})["label"]
    np.testing.assert_allclose(transformed[1], found.astype(np.float32))


def test_the_narrower_the_gap_the_larger_the_weight() -> None:
    label = np.zeros((3, 40), dtype=int)
    weights = []
    for width in (1, 2, 4, 8, 16):
        label[:] = np.arange(40) >= 12
        label[:, 12 + width :] = 0
        found = border_weight(*masks(label))
        assert np.count_nonzero(found) == 3 * width
        assert np.ptp(found[label == 1]) < 1e-12  # d1 + d2 is the same all across a gap
        weights.append(found.max())
    np.testing.assert_allclose(weights, [10 * np.exp(-((width + 1) ** 2) / 50) for width in (1, 2, 4, 8, 16)])


def test_objects_that_touch_at_a_corner_are_two() -> None:
    label = np.array([[0, 1], [1, 0]])
    assert border_weight(*masks(label))[0, 1] == pytest.approx(10 * math.exp(-4 / 50))
    one = np.array([[0, 1], [0, 0]])
    assert border_weight(*masks(one))[0, 1] == pytest.approx(10 * math.exp(-4 / 50))
    far = np.array([[0, 1, 1, 1, 0], [1, 1, 1, 1, 1]])
    assert border_weight(*masks(far))[1, 0] == pytest.approx(10 * math.exp(-((1 + math.sqrt(17)) ** 2) / 50))
