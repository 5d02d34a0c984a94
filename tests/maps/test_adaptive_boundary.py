from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.measure import label as connect

from maps.labels import DEGENERATE, LABELS, UNLABELLED, distances, masks
from monai_cwmi.maps import AdaptiveBoundaryWeightsd
from monai_cwmi.maps.adaptive_boundary import adaptive_boundary_weights


def reference(label: np.ndarray) -> np.ndarray:
    """The definition, pixel by pixel, of a label with a border."""
    as_border, as_object = 30.0 * (label == 1), np.zeros(label.shape)
    components = connect(label == 0, connectivity=1)
    border = np.argwhere(label == 1)
    for number in range(1, components.max() + 1):
        places = np.argwhere(components == number)
        depths = [distances(pixel, border).min() for pixel in places]
        sigma = max(depths) / 2.58
        for pixel, depth in zip(places, depths, strict=True):
            as_border[tuple(pixel)] = 10 * math.exp(-(depth**2) / (2 * sigma**2))
            as_object[tuple(pixel)] = 10 * math.exp(-((max(depths) - depth) ** 2) / (2 * sigma**2))
    return np.stack((as_border, as_object))


HAVE_BORDER = [label for label in [*LABELS, *DEGENERATE.values()] if (label == 1).any()]


@pytest.mark.parametrize("label", HAVE_BORDER)
def test_the_maps_are_their_equations(label: np.ndarray) -> None:
    found = adaptive_boundary_weights(*masks(label))
    np.testing.assert_allclose(found, reference(label), rtol=1e-12)
    transformed = AdaptiveBoundaryWeightsd("label", ignore_index=UNLABELLED)({"label": label[None]})["label"]
    np.testing.assert_allclose(transformed[1:], found.astype(np.float32))


@pytest.mark.parametrize("shape", [(6, 7), (1, 1), (3, 4, 5)])
def test_an_object_that_fills_the_image_is_all_interior(shape: tuple[int, ...]) -> None:
    as_border, as_object = adaptive_boundary_weights(*masks(np.zeros(shape, dtype=int)))
    np.testing.assert_array_equal(as_object, 10)
    np.testing.assert_allclose(as_border, 10 * math.exp(-(2.58**2) / 2))


def test_unlabelled_pixels_are_no_border() -> None:
    label = np.full((7, 40), UNLABELLED)
    label[:, 5:30] = 0
    as_border, as_object = adaptive_boundary_weights(*masks(label))  # no border anywhere
    np.testing.assert_array_equal(as_object, 10 * (label == 0))
    np.testing.assert_allclose(as_border, 10 * math.exp(-(2.58**2) / 2) * (label == 0))
    label[:, :5] = 1  # on one side only: the object's depth is reached at the other
    as_border, as_object = adaptive_boundary_weights(*masks(label))
    assert (as_border > as_object).tolist() == [[True] * 17 + [False] * 23] * 7
    # As where the image ends.
    np.testing.assert_array_equal(
        adaptive_boundary_weights(*masks(label[:, :30])), np.stack((as_border, as_object))[..., :30]
    )


def test_the_border_grows_by_half_of_an_objects_depth() -> None:
    for width in (9, 19, 39):
        label = np.zeros((1, width + 2), dtype=int)
        label[0, [0, -1]] = 1
        as_border, as_object = adaptive_boundary_weights(*masks(label))
        grown = np.flatnonzero(as_border[0] > as_object[0])
        reach = math.ceil((width + 1) / 4) - 1  # D < m / 2, with m = (width + 1) / 2
        assert grown.tolist() == [*range(reach + 1), *range(width + 1 - reach, width + 2)]
