from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
import skimage.metrics
from scipy import sparse
from skimage.measure import label
from sklearn.metrics import adjusted_rand_score

from metrics.masks import SHAPES, Array, random_pairs, score_arrays
from monai_cwmi.metrics.functional import adjusted_rand_index, variation_of_information
from monai_cwmi.metrics.functional.partitions import VI_WITHOUT_TRUTH, rand_index

CASES = [(shape, connectivity) for shape in SHAPES for connectivity in range(1, len(shape) + 1)]


def components(image: Array, value: int, connectivity: int, labelled: Array | bool = True) -> np.ndarray:
    return np.asarray(label((image == value) & labelled, connectivity=connectivity))


def reference_vi(truth: np.ndarray, predicted: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # 0 / 0 where the truth has no component
        bits = skimage.metrics.variation_of_information(truth, predicted, ignore_labels=[0]).sum()
    return VI_WITHOUT_TRUTH if np.isnan(bits) else float(bits)


@pytest.mark.parametrize(("shape", "connectivity"), CASES)
@pytest.mark.parametrize("value", [0, 1])
def test_against_scikit(shape: tuple[int, ...], connectivity: int, value: int) -> None:
    options = {"component_value": value, "connectivity": connectivity}
    for prediction, target in random_pairs(shape):
        truth, predicted = (components(image, value, connectivity) for image in (target, prediction))
        bits = score_arrays(variation_of_information, prediction, target, **options)
        assert bits == pytest.approx([reference_vi(truth, predicted)], rel=1e-6, abs=1e-6)
        assert bits[0] >= 0
        index = score_arrays(adjusted_rand_index, prediction, target, **options)
        assert index == pytest.approx([adjusted_rand_score(truth.ravel(), predicted.ravel())], rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("shape", [(23, 31), (9, 7, 8)])
@pytest.mark.parametrize("value", [0, 1])
def test_unlabelled_pixels_are_in_no_component_and_in_no_table(shape: tuple[int, ...], value: int) -> None:
    labelled = np.random.default_rng(7).random(shape) < 0.8
    for prediction, target in random_pairs(shape):
        truth, predicted = (components(image, value, 1, labelled)[labelled] for image in (target, prediction))
        bits = score_arrays(variation_of_information, prediction, target, labelled, component_value=value)
        assert bits == pytest.approx([reference_vi(truth, predicted)], rel=1e-6, abs=1e-6)
        index = score_arrays(adjusted_rand_index, prediction, target, labelled, component_value=value)
        assert index == pytest.approx([adjusted_rand_score(truth, predicted)], rel=1e-6, abs=1e-7)


def test_connectivity_and_value_choose_the_components() -> None:
    corner = np.eye(2, dtype=int)  # two pixels that touch at a corner
    whole, nothing = np.ones((2, 2), int), np.zeros((2, 2), int)
    assert score_arrays(variation_of_information, whole, corner, connectivity=1) == [1]
    assert score_arrays(variation_of_information, whole, corner, connectivity=2) == [0]
    assert score_arrays(variation_of_information, nothing, corner, component_value=0) == [1]
    # Two single pixels and a part of two, or two parts of two, against one part.
    assert score_arrays(adjusted_rand_index, corner, corner, connectivity=1) == [1]
    assert score_arrays(adjusted_rand_index, whole, corner, connectivity=2) == [0]


def test_bits_of_merged_and_of_split_cells() -> None:
    cells = np.ones((9, 35), bool)
    cells[:, 8::9] = False  # four cells of 9 x 8 pixels
    assert score_arrays(variation_of_information, np.ones_like(cells), cells) == [2]
    split = cells.copy()
    split[4] = False
    # Each cell falls into 4/9, 4/9 and the pixels between; these, 1/9 of all, are of four cells.
    expected = 2 * 4 / 9 * np.log2(9 / 4) + np.log2(9) / 9 + 2 / 9
    assert score_arrays(variation_of_information, split, cells) == pytest.approx([expected], rel=1e-6)


@pytest.mark.parametrize("prediction", [0, 1])
def test_a_truth_without_components_costs_ten_bits(prediction: int) -> None:
    image = np.full((6, 5), prediction)
    assert score_arrays(variation_of_information, image, np.zeros((6, 5), int)) == [VI_WITHOUT_TRUTH] == [10]


def test_volumes_of_billions_of_voxels_do_not_overflow() -> None:
    counts = np.array([[10**9, 5 * 10**8], [3 * 10**8, 9 * 10**8]])
    n, rows, columns = int(counts.sum()), counts.sum(1).tolist(), counts.sum(0).tolist()

    def pairs(sizes: list[int]) -> Fraction:
        return sum((Fraction(size * (size - 1), 2) for size in sizes), Fraction(0))

    # Hubert and Arabie's own form: (index - expected) / (maximum - expected).
    expected = pairs(rows) * pairs(columns) / pairs([n])
    exact = (pairs(counts.ravel().tolist()) - expected) / ((pairs(rows) + pairs(columns)) / 2 - expected)
    assert rand_index(sparse.csr_array(counts)) == pytest.approx(float(exact), rel=1e-12)
