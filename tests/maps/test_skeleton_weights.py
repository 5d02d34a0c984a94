from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label as connect
from skimage.morphology import skeletonize

from maps.labels import DEGENERATE, LABELS, UNLABELLED, distances, masks
from monai_cwmi.maps import SkeletonWeightsd
from monai_cwmi.maps.distances import distance_to
from monai_cwmi.maps.skeleton_weights import lee_skeleton, object_weight, skeleton_weights

ALL = [*LABELS, *DEGENERATE.values()]


def components_of(label: np.ndarray) -> list[np.ndarray]:
    components = connect(label == 0, connectivity=1)
    return [components == number for number in range(1, components.max() + 1)]


def lee(mask: np.ndarray) -> np.ndarray:
    """In a frame of background; scikit-image loses some small bodies in space."""
    return skeletonize(np.pad(mask, 2), method="lee")[(slice(2, -2),) * mask.ndim] > 0


@pytest.mark.parametrize("label", ALL)
def test_weight_and_skeleton_of_objects_are_their_definition(label: np.ndarray) -> None:
    found, skeletons = object_weight(label == 0)
    assert not found[label != 0].any()
    assert not skeletons[label != 0].any()
    outside = np.argwhere(label != 0)
    for mask in components_of(label):
        line = lee(mask)
        if line.any():
            np.testing.assert_array_equal(skeletons & mask, line)
        else:  # then its deepest pixel is
            assert mask.ndim == 3
            assert np.count_nonzero(skeletons & mask) == 1
            line = skeletons & mask
        places = np.argwhere(line)
        reach = [distances(place, outside).min(initial=np.inf) for place in places]
        for pixel in np.argwhere(mask):
            away = distances(pixel, places)
            # Several points of the skeleton may be equally near.
            nearest = [r for a, r in zip(away, reach, strict=True) if a <= away.min() + 1e-9]
            weights = [1 - min(away.min(), r) / r if np.isfinite(r) else 1 for r in nearest]
            assert np.abs(np.array(weights) - found[tuple(pixel)]).min() < 1e-12


@pytest.mark.parametrize("label", ALL)
def test_weight_of_the_border_is_its_definition(label: np.ndarray) -> None:
    as_border, as_object, skeletons = skeleton_weights(*masks(label))
    np.testing.assert_array_equal(as_object, object_weight(label == 0)[0])
    np.testing.assert_array_equal(skeletons[label == 1] > 0, lee_skeleton(label == 1)[label == 1])
    np.testing.assert_array_equal(skeletons[label == 0] > 0, object_weight(label == 0)[1][label == 0])

    np.testing.assert_allclose(as_border, border_weight(label, as_object), rtol=1e-12)


def border_weight(label: np.ndarray, as_object: np.ndarray) -> np.ndarray:
    """The weight of each pixel as border, pixel by pixel."""
    objects, border = [np.argwhere(mask) for mask in components_of(label)], np.argwhere(label == 1)
    if not objects or not len(border):
        return (label == 1).astype(float)
    pair = {}
    for pixel in np.argwhere(label != UNLABELLED):
        nearest = sorted(distances(pixel, places).min() for places in objects)
        pair[tuple(pixel)] = nearest[0], nearest[min(1, len(nearest) - 1)]
    half_width = max(pair[tuple(pixel)][0] for pixel in border)
    expected = np.zeros(label.shape)
    for place, (first, second) in pair.items():
        weight = max(0, 1 + (2 * half_width - first - second) / (2 * half_width))
        beside = np.abs(border - place).sum(1).min() == 1
        if label[place] == 1 or (beside and weight > as_object[place]):
            expected[place] = weight
    return expected


@pytest.mark.parametrize("label", ALL)
def test_the_transform_appends_them(label: np.ndarray) -> None:
    found = SkeletonWeightsd("label", ignore_index=UNLABELLED)({"label": label[None]})["label"]
    np.testing.assert_array_equal(found[1:], skeleton_weights(*masks(label)).astype(np.float32))
    assert not found[1:, label == UNLABELLED].any()


def test_a_band_between_two_objects() -> None:
    label = np.zeros((5, 11), dtype=int)
    label[:, 4:7] = 1
    as_border, as_object, skeletons = skeleton_weights(*masks(label))
    # Three pixels wide: M = 2 and d1 + d2 = 4 on it; beside it d1 = 0 and d2 = 4.
    np.testing.assert_allclose(as_border[2], [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0])
    assert not as_object[:, 4:7].any()
    assert as_object[2].max() == 1
    assert skeletons[2, 5] == 1
    assert not skeletons[:, [4, 6]].any()


def test_objects_that_touch_at_a_corner_have_skeletons_of_their_own() -> None:
    objects = np.zeros((8, 8), dtype=bool)
    objects[:4, :4] = True
    alone = object_weight(objects)
    objects[4:, 4:] = True
    both = object_weight(objects)
    for found, expected in zip(both, alone, strict=True):
        np.testing.assert_array_equal(found[:4, :4], expected[:4, :4])
    assert not np.array_equal(lee_skeleton(objects)[:4, :4], alone[1][:4, :4])  # as it would be together


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 3, 4), (4, 4, 9), (1, 2, 2), (5, 5), (1, 1)])
def test_every_body_has_a_skeleton(shape: tuple[int, ...]) -> None:
    mask = np.pad(np.ones(shape, dtype=bool), 2)
    line = lee_skeleton(mask)
    assert line.dtype == bool
    assert line.any()
    assert not (line & ~mask).any()
    weights, skeletons = object_weight(mask)
    assert skeletons.any()
    # Where scikit-image loses the body, one of its deepest pixels stands for the skeleton.
    expected = lee(mask) if lee(mask).any() else distance_to(~mask) == (min(shape) + 1) // 2
    assert not (skeletons & ~expected).any()
    assert (weights[skeletons] == 1).all()
