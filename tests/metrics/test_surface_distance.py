from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from monai_cwmi.metrics import ClassSurfaceDistance

NAMES = ["background", "box", "slab"]


def case(box: slice, slab: slice, affine: np.ndarray) -> MetaTensor:
    """A box across the first axis and a slab across the second, one-hot, in a volume of 30 x 20 x 10 voxels."""
    labels = torch.zeros(3, 30, 20, 10)
    labels[1, box, :10] = 1
    labels[2, :, slab] = 1
    return MetaTensor(labels, affine=torch.from_numpy(affine))


def evaluate(*cases: tuple[MetaTensor, MetaTensor]) -> dict[str, Any]:
    engine = Engine(lambda _engine, pair: ([pair[0]], [pair[1]]))
    ClassSurfaceDistance(NAMES).attach(engine, "surface")
    metrics: dict[str, Any] = engine.run(cases).metrics
    return {name: value for name, value in metrics.items() if name != "surface"}


@pytest.mark.parametrize("scale", [1, 2.5])
def test_distances_are_in_the_units_of_the_affine(scale: float) -> None:
    # The first voxel axis runs down, the second to the left: spacing is 3 along one and 0.5 along the other.
    affine = scale * np.array([[0, -0.5, 0, 7], [0, 0, 1, 9], [-3, 0, 0, 4], [0, 0, 0, 1]])
    affine[3, 3] = 1
    # Planes one voxel thick that fill the others' extent, so that every distance is that of the planes.
    target = case(slice(4, 5), slice(12, 13), affine)
    prediction = case(slice(6, 7), slice(15, 16), affine)
    expected = {"surface_distance_box": 2 * 3 * scale, "surface_distance_slab": 3 * 0.5 * scale}
    assert evaluate((prediction, target)) == pytest.approx(expected)


def test_each_case_has_its_own_voxel_size() -> None:
    pairs = []
    for size in (1.0, 4.0):
        affine = np.diag([size, size, size, 1])
        pairs.append((case(slice(6, 7), slice(14, 15), affine), case(slice(4, 5), slice(13, 14), affine)))
    expected = {"surface_distance_box": (2 + 8) / 2, "surface_distance_slab": (1 + 4) / 2}
    assert evaluate(*pairs) == pytest.approx(expected)


def test_a_class_that_is_absent_counts_in_no_mean() -> None:
    affine = np.eye(4)
    present = (case(slice(6, 7), slice(14, 15), affine), case(slice(4, 5), slice(13, 14), affine))
    absent = (case(slice(6, 7), slice(0), affine), case(slice(5, 6), slice(0), affine))
    assert evaluate(present, absent) == pytest.approx({"surface_distance_box": 1.5, "surface_distance_slab": 1})


def test_a_class_that_no_case_has_has_no_distance() -> None:
    affine = np.eye(4)
    absent = (case(slice(6, 7), slice(0), affine), case(slice(5, 6), slice(0), affine))
    found = evaluate(absent, absent)
    assert found["surface_distance_box"] == 1
    assert np.isnan(found["surface_distance_slab"])


def test_a_class_in_one_of_the_two_is_infinitely_far() -> None:
    affine = np.eye(4)
    pair = (case(slice(6, 7), slice(0), affine), case(slice(4, 5), slice(13, 14), affine))
    assert evaluate(pair) == {"surface_distance_box": 2, "surface_distance_slab": np.inf}
