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


def make_picture(label: torch.Tensor, size: tuple[int, int] = (6, 8)) -> dict[str, MetaTensor]:
    image = MetaTensor(torch.zeros(3, *size), meta={"filename_or_obj": "imagesTr/a.jpg"})
    return {"image": image, "label": MetaTensor(label, meta={"filename_or_obj": "labelsTr/a.png"})}


def test_a_label_of_a_picture_passes_unchanged() -> None:
    case: Any = make_picture(torch.arange(48).reshape(1, 6, 8) % 3)
    checked: Any = CheckLabeld("label", num_classes=3)(case)
    assert all(checked[key] is case[key] for key in case)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        (torch.zeros(1, 6, 7), r"it has 6 x 7 pixels and its image, imagesTr/a\.jpg, 6 x 8\.$"),
        (torch.zeros(1, 8, 6), r"8 x 6 pixels .* 6 x 8 as a viewer shows it. Turn the label, if .* EXIF metadata\.$"),
        (torch.zeros(4, 6, 8), r"4 channels instead of one .*Save it as a grey picture"),
        (
            torch.full((1, 6, 8), 255),
            r'from 255 to 255, but there are 2 classes, 0 to 1\. It holds 255: .*--label_values "\[0, 255\]"\.$',
        ),
        (
            torch.tensor([0, 2, 5]).repeat(1, 6, 4)[..., :8],
            r'It holds 0, 2, 5: .*--label_values "\{0: 0, 2: 1, 5: 1\}"\.$',
        ),
        (torch.arange(48).reshape(1, 6, 8), "It holds 48 values: save it without loss"),
        (torch.full((1, 6, 8), 0.5), "no whole numbers"),
        (torch.full((1, 6, 8), 7.5), r"from 7\.5 to 7\.5, but there are 2 classes, 0 to 1\.$"),
    ],
)
def test_a_label_of_a_picture_that_does_not_fit_is_named(label: torch.Tensor, problem: str) -> None:
    case: Any = make_picture(label)
    with pytest.raises(ValueError, match=rf"^The label labelsTr/a\.png does not fit: .*{problem}"):
        CheckLabeld("label", num_classes=2)(case)


@pytest.mark.parametrize("make", [make_case, make_picture])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(
    ("label_values", "classes"),
    [([0, 255, 128], [0, 1, 2]), ({0: 0, 255: 1, 128: 1}, [0, 1, 1]), ({"0": 2, "255": 0, "128": 1}, [2, 0, 1])],
)
def test_values_become_classes(make: Any, dtype: torch.dtype, label_values: Any, classes: list[int]) -> None:
    shape = (1, 6, 8, 5) if make is make_case else (1, 6, 8)
    places = torch.randint(3, shape, generator=torch.Generator().manual_seed(0))
    values, expected = (torch.tensor(of, dtype=dtype)[places] for of in ([0, 255, 128], classes))
    case = make(values)
    check = CheckLabeld("label", num_classes=3, label_values=label_values)
    found: Any = check(case)["label"]
    assert torch.equal(found.as_tensor(), expected)
    assert found.dtype == dtype
    assert found.meta["filename_or_obj"] == case["label"].meta["filename_or_obj"]
    assert torch.equal(case["label"].as_tensor(), values)  # the caller's
    values[..., 0] = 1
    with pytest.raises(ValueError, match=r"it holds 1, for which label_values, .* has no class"):
        check(make(values))


@pytest.mark.parametrize(
    ("label_values", "problem"),
    [
        ("[0, 255]", "a list of values or a mapping"),
        (255, "a list of values or a mapping"),
        ([0, 127.5], "whole numbers"),
        ([0, None], "whole numbers"),
        ({"0": 0, "a": 1}, "whole numbers"),
        ([0, 0], "names a value twice"),
        ({1: 0, "1": 1}, "names a value twice"),
        ([0, 1, 255], "must name some of 2 classes, 0 to 1"),
        ({0: 0, 255: -1}, "must name some of 2 classes"),
        ([], "must name some of 2 classes"),
    ],
)
def test_values_that_fit_no_classes_are_refused(label_values: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"label_values.*{problem}"):
        CheckLabeld("label", num_classes=2, label_values=label_values)


def test_a_label_may_be_missing_and_its_grid_unknown() -> None:
    case: Any = make_picture(torch.ones(1, 2, 2))
    checked: Any = CheckLabeld("label", num_classes=2, image_key=None)({"label": case["label"]})
    assert checked["label"] is case["label"]
    optional = CheckLabeld("label", num_classes=2, allow_missing_keys=True)
    assert optional({"image": case["image"]}).keys() == {"image"}
    with pytest.raises(KeyError):
        CheckLabeld("label", num_classes=2)({"image": case["image"]})


def test_a_volume_of_several_channels_is_named() -> None:
    case: Any = make_case(torch.zeros(2, 6, 8, 5))
    with pytest.raises(ValueError, match=r"labelsTr/a\.nii does not fit: it has 2 channels instead of one.*prepare-da"):
        CheckLabeld("label", num_classes=3)(case)
