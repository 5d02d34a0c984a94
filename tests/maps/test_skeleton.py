from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import skeletonize

from monai_cwmi.maps.skeleton import skeleton, tubed_skeletons


def blobs(shape: tuple[int, ...], seed: int = 0, part: float = 0.4) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 1.2)
    return smooth > np.quantile(smooth, 1 - part)


def components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    labels, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
    return labels, int(count)


def reference_tube(mask: np.ndarray) -> np.ndarray:
    """Pixels of the mask no more than two steps along the axes from its skeleton, one by one."""
    points = np.argwhere(skeleton(mask))
    tube = np.zeros_like(mask)
    for place in np.argwhere(mask):
        tube[tuple(place)] = bool((np.abs(points - place).sum(1) <= 2).any())
    return tube


@pytest.mark.parametrize("shape", [(50, 37), (17, 20, 13)])
def test_every_component_has_a_skeleton_within_it(shape: tuple[int, ...]) -> None:
    lost = 0
    for seed in range(5):
        mask = blobs(shape, seed, part=0.15)
        labels, count = components(mask)
        found, own = skeleton(mask), skeletonize(mask)
        assert not (found & ~mask).any()
        assert set(labels[found]) == set(range(1, count + 1))
        assert not (own & ~found).any()
        # Only where scikit-image leaves nothing does a pixel come in, one for each component.
        assert (found & ~own).sum() == count - len(set(labels[own]))
        lost += int((found & ~own).sum())
    assert (lost > 0) == (len(shape) == 3)


def test_what_stands_for_a_lost_skeleton_is_in_the_middle() -> None:
    mask = np.zeros((9, 9, 9), bool)
    mask[2:6, 2:6, 2:6] = True
    assert not skeletonize(mask).any()
    for box in (mask, mask[2:6, 2:6, 2:6]):  # which fills the array
        ((place),) = np.argwhere(skeleton(box))
        assert ((place == box.shape[0] // 2 - 1) | (place == box.shape[0] // 2)).all()


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (1, 9), (4, 4, 4), (1, 1, 1)])
def test_empty_and_full_masks(shape: tuple[int, ...]) -> None:
    assert not skeleton(np.zeros(shape, bool)).any()
    assert skeleton(np.ones(shape, bool)).any()


@pytest.mark.parametrize("shape", [(40, 37), (12, 15, 13)])
def test_tubes_of_one_class_pixel_by_pixel(shape: tuple[int, ...]) -> None:
    mask = blobs(shape)
    found = tubed_skeletons(mask.astype(np.int64))
    assert found.dtype == np.int64
    assert np.array_equal(found.astype(bool), reference_tube(mask))


def test_the_tubes_of_a_bar_are_five_pixels_wide_at_most() -> None:
    label = np.zeros((15, 60), np.uint8)
    label[2:13] = 1
    assert (tubed_skeletons(label)[:, 30] > 0).sum() == 5
    label[:] = 0
    label[6:9] = 1
    assert np.array_equal(tubed_skeletons(label)[:, 20:40], label[:, 20:40])


@pytest.mark.parametrize("ignore_index", [None, 0, 1, 2])
@pytest.mark.parametrize("shape", [(40, 37), (12, 15, 13)])
def test_each_class_has_its_own_tubes(shape: tuple[int, ...], ignore_index: int | None) -> None:
    label = blobs(shape, 1) + 2 * blobs(shape, 2)  # 0 to 3
    found = tubed_skeletons(label, ignore_index=ignore_index)
    expected = np.zeros_like(label)
    for index in {1, 2, 3} - {ignore_index}:
        expected[reference_tube(label == index)] = index
    assert np.array_equal(found, expected)


def test_labels_without_a_class() -> None:
    for shape, value in itertools.product([(6, 7), (3, 4, 5)], (0, 255)):
        assert not tubed_skeletons(np.full(shape, value), ignore_index=255).any()


def test_a_single_pixel_is_its_own_tube() -> None:
    label = np.zeros((5, 5), int)
    label[4, 0] = 7
    assert np.array_equal(tubed_skeletons(label), label)
