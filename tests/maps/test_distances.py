from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
from skimage.measure import label as connect

from maps.labels import DEGENERATE, LABELS, distances
from monai_cwmi.maps.distances import distance_to, two_nearest_objects


@pytest.mark.parametrize("label", LABELS)
def test_distance_to_the_nearest_pixel(label: np.ndarray) -> None:
    places = np.argwhere(label == 1)
    expected = [distances(pixel, places).min(initial=np.inf) for pixel in np.argwhere(label >= 0)]
    np.testing.assert_allclose(distance_to(label == 1).ravel(), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (2, 3, 4)])
def test_nothing_is_infinitely_far(shape: tuple[int, ...]) -> None:
    assert np.isposinf(distance_to(np.zeros(shape, dtype=bool))).all()
    for distance in two_nearest_objects(np.zeros(shape, dtype=bool)):
        assert np.isposinf(distance).all()
        assert distance.shape == shape


@pytest.mark.parametrize("label", [*LABELS, *DEGENERATE.values()])
def test_two_nearest_objects_against_their_definition(label: np.ndarray) -> None:
    objects = label == 0
    components = connect(objects, connectivity=1)
    to_each = np.array(
        [
            [distances(pixel, np.argwhere(components == number)).min() for pixel in np.argwhere(label >= 0)]
            for number in range(1, components.max() + 1)
        ]
    ).reshape(components.max(), label.size)
    if len(to_each) == 0:
        to_each = np.full((1, label.size), np.inf)
    if len(to_each) == 1:
        to_each = np.repeat(to_each, 2, axis=0)
    to_each.sort(axis=0)
    for found, expected in zip(two_nearest_objects(objects), to_each, strict=False):
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-12)


def test_many_objects_do_not_need_a_transform_each(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = np.zeros((64, 64), dtype=bool)
    objects[::4, ::4] = True  # 256 objects, 4 pixels apart
    counted = Mock(wraps=distance_to)
    monkeypatch.setattr("monai_cwmi.maps.distances.distance_to", counted)
    first, second = two_nearest_objects(objects)
    assert counted.call_count <= 1 + 2 * 9
    assert second[objects].tolist() == [4.0] * 256
    assert (first[2, 2], second[2, 2]) == (np.sqrt(8), np.sqrt(8))
