from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import hausdorff_distance

from metrics.masks import SHAPES, random_pairs, score_arrays
from monai_cwmi.metrics.functional import modified_hausdorff


def by_scikit_image(prediction: np.ndarray, target: np.ndarray) -> float:
    """Its distance, but for two empty masks: they are not 0 apart, a perfect score, but have no distance."""
    if not (prediction.any() or target.any()):
        return np.nan
    return float(hausdorff_distance(prediction, target, method="modified"))


@pytest.mark.parametrize("shape", SHAPES)
def test_against_scikit_image(shape: tuple[int, ...]) -> None:
    for prediction, target in random_pairs(shape):
        assert score_arrays(modified_hausdorff, prediction, target) == pytest.approx(
            [by_scikit_image(prediction, target)], rel=1e-6, nan_ok=True
        )


@pytest.mark.parametrize("shape", [(23, 31), (9, 7, 8)])
def test_unlabelled_pixels_are_no_points(shape: tuple[int, ...]) -> None:
    labelled = np.random.default_rng(7).random(shape) < 0.6
    for prediction, target in random_pairs(shape):
        expected = by_scikit_image(prediction & labelled, target & labelled)
        found = score_arrays(modified_hausdorff, prediction, target, labelled)
        assert found == pytest.approx([expected], rel=1e-6, nan_ok=True)


def test_the_larger_of_the_two_means_counts() -> None:
    near, far = [[1, 1, 0, 0, 0]], [[1, 0, 0, 0, 1]]
    # From near to far 0 and 1 pixels, from far to near 0 and 3.
    assert score_arrays(modified_hausdorff, near, far) == score_arrays(modified_hausdorff, far, near) == [1.5]


def test_empty_masks() -> None:
    empty, one = np.zeros((3, 4), int), np.eye(3, 4, dtype=int)
    assert np.isnan(score_arrays(modified_hausdorff, empty, empty)).all()
    assert score_arrays(modified_hausdorff, one, empty) == score_arrays(modified_hausdorff, empty, one) == [np.inf]
    assert np.isnan(score_arrays(modified_hausdorff, one, one, ~np.eye(3, 4, dtype=bool))).all()
