from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label as connect

from maps.labels import DEGENERATE, SHAPES, UNLABELLED, random_label
from monai_cwmi.maps.critical_errors import critical_errors
from monai_cwmi.maps.skeleton_weights import lee_skeleton

PAIRS = [(random_label(shape, seed), random_label(shape, seed + 50) == 1) for shape in SHAPES for seed in range(8)]
PAIRS += [(label, np.full(label.shape, value)) for label in DEGENERATE.values() for value in (True, False)]


def reference(prediction: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Region by region, each with the two skeletons that make it critical."""
    labelled = label != UNLABELLED
    critical = np.zeros(label.shape, dtype=bool)
    for missed in (True, False):
        border, found = label == 1, prediction & labelled
        background, nothing = label == 0, ~prediction & labelled
        wrong = border & nothing if missed else background & found
        decisive = (nothing, border) if missed else (found, background)
        regions = connect(wrong, connectivity=1)
        for number in range(1, regions.max() + 1):
            region = regions == number
            if any((lee_skeleton(mask) & region).any() for mask in decisive):
                critical |= region
    return critical


def found(prediction: np.ndarray, label: np.ndarray) -> np.ndarray:
    skeletons = lee_skeleton(label == 1) | lee_skeleton(label == 0)
    return critical_errors(prediction, label == 1, skeletons, label != UNLABELLED)


@pytest.mark.parametrize(("label", "prediction"), PAIRS)
def test_against_the_definition(label: np.ndarray, prediction: np.ndarray) -> None:
    np.testing.assert_array_equal(found(prediction, label), reference(prediction, label))


def test_the_random_pairs_have_errors_of_both_sorts() -> None:
    critical, excused = np.zeros(2, int), np.zeros(2, int)
    for label, prediction in PAIRS:
        is_critical = found(prediction, label)
        for sort, wrong in enumerate((~prediction & (label == 1), prediction & (label == 0))):
            critical[sort] += (wrong & is_critical).sum()
            excused[sort] += (wrong & ~is_critical).sum()
    assert (critical > 100).all()
    assert (excused > 10).all()


@pytest.mark.parametrize("label", [random_label((9, 12), 3), random_label((5, 6, 7), 3)])
def test_what_is_right_or_unlabelled_is_no_error(label: np.ndarray) -> None:
    assert not found(label == 1, label).any()
    assert not found(label != 0, label).any()  # border where nothing is labelled


BAND = np.zeros((15, 21), dtype=np.int64)
BAND[5:10] = 1  # five pixels wide, between two objects


@pytest.mark.parametrize(
    ("where", "value", "is_critical"),
    [
        (np.s_[5:10, 9:12], False, True),  # a gap, through which the objects join
        (np.s_[5, 9:12], False, False),  # a notch in the border's edge
        (np.s_[4, 9:12], True, False),  # a bulge of it
        (np.s_[0:5, 9:12], True, True),  # a wall across an object
        (np.s_[6:9, 9:12], False, True),  # a hole, which is a new object
        (np.s_[1:4, 9:12], True, True),  # an island in an object
    ],
)
def test_what_breaks_or_closes_is_critical(where: tuple[slice, slice], value: bool, is_critical: bool) -> None:
    prediction = BAND == 1
    prediction[where] = value
    wrong = prediction != (BAND == 1)
    np.testing.assert_array_equal(found(prediction, BAND), wrong & is_critical)
