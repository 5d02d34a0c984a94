from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, MetaTensor

from monai_cwmi.data import CheckLabeld

AFFINE = np.diag([1.0, 1.0, 3.0, 1.0])


def make_case(label: torch.Tensor | None = None, affine: np.ndarray = AFFINE) -> dict[str, MetaTensor]:
    label = torch.arange(240).reshape(1, 6, 8, 5) % 3 if label is None else label
    image = MetaTensor(torch.zeros(2, 6, 8, 5), torch.tensor(AFFINE), {"filename_or_obj": "imagesTr/a.nii"})
    return {"image": image, "label": MetaTensor(label, torch.tensor(affine), {"filename_or_obj": "labelsTr/a.nii"})}


def shifted(*offset: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[:3, 3] += offset
    return affine


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_label_that_fits_passes_unchanged(dtype: torch.dtype) -> None:
    case = make_case((torch.arange(240).reshape(1, 6, 8, 5) % 3).to(dtype), shifted(0.2, 0, -0.2))
    (checked,) = CacheDataset([case], CheckLabeld("label", num_classes=3), progress=False)
    assert checked.keys() == case.keys()
    assert all(torch.equal(checked[key], case[key]) for key in case)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        (torch.zeros(1, 6, 8, 4), r"\(6, 8, 4\) voxels and its image, imagesTr/a\.nii, \(6, 8, 5\)"),
        (torch.full((1, 6, 8, 5), 3), "reach from 3 to 3, but there are 3 classes, 0 to 2"),
        (torch.full((1, 6, 8, 5), -1), "reach from -1 to -1"),
        (torch.full((1, 6, 8, 5), torch.nan), "reach from nan to nan"),
        (torch.full((1, 6, 8, 5), 0.5), "no whole numbers"),
    ],
)
def test_a_label_that_does_not_fit_is_named(label: torch.Tensor, problem: str) -> None:
    case: Any = make_case(label)
    with pytest.raises(ValueError, match=rf"^The label labelsTr/a\.nii does not fit: .*{problem}.*prepare-dataset"):
        CheckLabeld("label", num_classes=3)(case)


@pytest.mark.parametrize(
    ("affine", "distance"),
    [(shifted(0, 0, 3), "3"), (np.eye(4), "10"), (np.diag([1.2, 1, 3, 1]), "1.2"), (shifted(-0.6, 0, 0), "0.6")],
)
def test_a_label_elsewhere_is_named(affine: np.ndarray, distance: str) -> None:
    case: Any = make_case(affine=affine)
    with pytest.raises(ValueError, match=rf"labelsTr/a\.nii .* lies up to {distance} mm away from its image, images"):
        CheckLabeld("label", num_classes=3)(case)
