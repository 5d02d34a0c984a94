from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from metrics.masks import Array, random_pairs, score_arrays
from monai_cwmi.metrics.functional import betti_error, cl_dice


def betti_numbers(region: Array, connectivity: int) -> list[int]:
    """By definition, from the ranks of the boundary maps of a complex of cubes: dim ker - dim im.

    Pixels that touch at corners are closed cubes; pixels that touch at faces are vertices, and whatever cell has all
    its vertices belongs. A cell's coordinates are odd along the axes in which it extends.
    """
    cells: list[tuple[int, ...]] = []
    axes, is_closed = region.ndim, connectivity > 1
    padded = np.pad(region, 1)
    for cell in product(*(range(2 * size - 1) for size in padded.shape)):
        # The pixels around a face of closed cubes, or the vertices of a cell.
        around = product(*((c // 2, -(-c // 2)) for c in cell))
        if (any if is_closed else all)(padded[pixel] for pixel in around):
            cells.append(cell)
    extends = (lambda c: c % 2 == 0) if is_closed else (lambda c: c % 2 == 1)
    by_dimension: list[dict[tuple[int, ...], int]] = [{} for _ in range(axes + 1)]
    for cell in cells:
        group = by_dimension[sum(map(extends, cell))]
        group[cell] = len(group)
    ranks = [0]
    for faces, group in pairwise(by_dimension):
        boundary = np.zeros((len(faces), len(group)))
        for cell, column in group.items():
            sign = 1
            for axis in (axis for axis in range(axes) if extends(cell[axis])):
                for step in (1, -1):
                    face = (*cell[:axis], cell[axis] + step, *cell[axis + 1 :])
                    boundary[faces[face], column] = sign * step
                sign = -sign
        ranks.append(int(np.linalg.matrix_rank(boundary)) if boundary.size else 0)
    ranks.append(0)
    return [len(group) - ranks[k] - ranks[k + 1] for k, group in enumerate(by_dimension)]


def betti_errors(*images: Any, **options: Any) -> list[float]:
    """The errors of both Betti numbers, whose sum is what is returned by default."""
    errors = [score_arrays(betti_error, *images, dimension=dimension, **options)[0] for dimension in (0, 1)]
    assert score_arrays(betti_error, *images, **options) == [sum(errors)]
    return errors


def ring(size: int = 5) -> NDArray[np.int64]:
    return np.pad(np.zeros((size - 2, size - 2), int), 1, constant_values=1)


def ball(hollow: bool) -> NDArray[np.int64]:
    radius = np.linalg.norm(np.mgrid[-6:7, -6:7, -6:7], axis=0)
    return ((radius < 5.5) & ~(hollow & (radius < 3))).astype(int)


def torus() -> NDArray[np.int64]:
    x, y, z = np.mgrid[-9:10, -9:10, -4:5]
    return (np.hypot(np.hypot(x, y) - 5.5, z) < 2.4).astype(int)


SHAPES_OF_KNOWN_TOPOLOGY = {
    "ring": (ring(), (1, 1)),
    "two rings": (np.hstack([ring(), np.zeros((5, 1), int), ring()]), (2, 2)),
    "eight": (np.hstack([ring(), ring()[:, 1:]]), (1, 2)),
    "ring in a ring": (ring(9) + np.pad(ring(5), 2), (2, 2)),
    "filled": (np.ones((5, 5), int), (1, 0)),
    "nothing": (np.zeros((5, 5), int), (0, 0)),
    "open at the border": (ring()[1:], (1, 0)),
    "ball": (ball(False), (1, 0)),
    "hollow ball": (ball(True), (1, 0)),
    "two hollow balls": (np.concatenate([ball(True), ball(True)]), (2, 0)),
    "hollow ball cut open": (ball(True)[:7], (1, 0)),
    "torus": (torus(), (1, 1)),
    "tube open at both ends": (np.repeat(ring()[..., None], 4, 2), (1, 1)),
    "eight in a volume": (np.hstack([ring(), ring()[:, 1:]])[..., None], (1, 2)),
}


@pytest.mark.parametrize("name", SHAPES_OF_KNOWN_TOPOLOGY)
@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("value", [1, 0])
def test_shapes_of_known_topology(name: str, is_full: bool, value: int) -> None:
    shape, (components, holes) = SHAPES_OF_KNOWN_TOPOLOGY[name]
    image = shape if value else 1 - shape
    options = {"component_value": value, "connectivity": shape.ndim if is_full else 1}
    nothing = np.full_like(shape, 1 - value)
    assert betti_errors(image, nothing, **options) == [components, holes]
    assert betti_errors(nothing, image, **options) == [components, holes]
    assert betti_errors(image, image, **options) == [0, 0]


@pytest.mark.parametrize("shape", [(5, 6), (7, 3), (1, 1), (3, 4, 3), (1, 4, 4)])
@pytest.mark.parametrize("is_full", [False, True])
def test_against_the_ranks_of_boundary_maps(shape: tuple[int, ...], is_full: bool) -> None:
    connectivity = len(shape) if is_full else 1
    for prediction, target in random_pairs(shape):
        for value in (0, 1):
            numbers = (betti_numbers(image == value, connectivity) for image in (prediction, target))
            expected = [abs(p - t) for p, t in zip(*numbers, strict=True)][:2]
            scores = betti_errors(prediction, target, component_value=value, connectivity=connectivity)
            assert scores == expected


@pytest.mark.parametrize("value", [0, 1])
def test_what_is_not_labelled_is_outside_the_region(value: int) -> None:
    labelled = np.random.default_rng(7).random((5, 6)) < 0.7
    for prediction, target in random_pairs((5, 6)):
        numbers = (betti_numbers((image == value) & labelled, 1) for image in (prediction, target))
        expected = [abs(p - t) for p, t in zip(*numbers, strict=True)][:2]
        assert betti_errors(prediction, target, labelled, component_value=value) == expected


def test_connectivity_joins_corners() -> None:
    corner, nothing = np.eye(2, dtype=int), np.zeros((2, 2), int)
    assert betti_errors(corner, nothing, connectivity=1) == [2, 0]
    assert betti_errors(corner, nothing, connectivity=2) == [1, 0]
    diamond = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert betti_errors(diamond, 0 * diamond, connectivity=1) == [4, 0]
    assert betti_errors(diamond, 0 * diamond, connectivity=2) == [1, 1]
    # In space the same encloses a cavity, which is seen only when the outside is taken with the dual connectivity.
    octahedron = (np.abs(np.mgrid[-1:2, -1:2, -1:2]).sum(0) == 1).astype(int)
    assert betti_errors(octahedron, 0 * octahedron, connectivity=1) == [6, 0]
    assert betti_errors(octahedron, 0 * octahedron, connectivity=3) == [1, 0]


def test_there_are_two_betti_numbers() -> None:
    image = np.zeros((3, 3), int)
    with pytest.raises(ValueError, match="dimension must be 0, 1 or None, got 2"):
        score_arrays(betti_error, image, image, dimension=2)


def test_edges_have_no_dual_in_space() -> None:
    volume = np.zeros((3, 3, 3), int)
    with pytest.raises(ValueError, match="Betti numbers need connectivity 1 or 3 with 3 axes: 2"):
        betti_errors(volume, volume, connectivity=2)


def reference_cl_dice(prediction: Array, target: Array) -> float:
    """With sets of pixels."""
    masks = [set(map(tuple, np.argwhere(image))) for image in (prediction, target)]
    skeletons = [set(map(tuple, np.argwhere(skeletonize(image)))) for image in (prediction, target)]
    if not all(masks):
        return float(not any(masks))
    precision = len(skeletons[0] & masks[1]) / len(skeletons[0])
    sensitivity = len(skeletons[1] & masks[0]) / len(skeletons[1])
    return 2 / (1 / precision + 1 / sensitivity) if precision and sensitivity else 0.0


@pytest.mark.parametrize("shape", [(23, 31), (16, 16), (1, 9), (1, 1)])
def test_cl_dice_against_sets_of_pixels(shape: tuple[int, ...]) -> None:
    labelled = np.random.default_rng(7).random(shape) < 0.9
    for prediction, target in random_pairs(shape):
        expected = reference_cl_dice(prediction, target)
        assert score_arrays(cl_dice, prediction, target) == pytest.approx([expected], rel=1e-6)
        if labelled.any():
            expected = reference_cl_dice(prediction & labelled, target & labelled)
            assert score_arrays(cl_dice, prediction, target, labelled) == pytest.approx([expected], rel=1e-6)


@pytest.mark.parametrize("axes", [2, 3])
def test_cl_dice_of_lines(axes: int) -> None:
    line = np.zeros((12, 9, 7)[:axes], int)
    line[(slice(1, 11), 4, 3)[:axes]] = 1
    gap = line.copy()
    gap[5:7] = 0
    tube = line.copy()
    tube[(slice(1, 11), slice(3, 6), slice(2, 5))[:axes]] = 1
    assert score_arrays(cl_dice, gap, line) == score_arrays(cl_dice, line, gap) == pytest.approx([2 * 0.8 / 1.8])
    assert score_arrays(cl_dice, tube, line) == [1]  # thickness does not count
    aside = np.roll(line, 3, axis=1)
    assert score_arrays(cl_dice, aside, line) == [0]


def test_cl_dice_of_empty_masks() -> None:
    empty, one = np.zeros((3, 4), int), np.eye(3, 4, dtype=int)
    assert score_arrays(cl_dice, empty, empty) == [1]
    assert score_arrays(cl_dice, one, empty) == score_arrays(cl_dice, empty, one) == [0]


def test_objects_that_thinning_loses_count_all_the_same() -> None:
    bar = np.zeros((10, 8, 8), bool)
    bar[1:9, 1:3, 1:3] = True
    assert not skeletonize(bar).any()  # what this test is about
    line = np.zeros_like(bar)
    line[1:9, 5, 5] = True
    assert score_arrays(cl_dice, bar, bar) == [1]
    assert score_arrays(cl_dice, line, bar) == score_arrays(cl_dice, bar, line) == [0]
    assert score_arrays(cl_dice, bar | line, line) == pytest.approx([2 * (8 / 9) / (1 + 8 / 9)])
