from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, MetaTensor

from monai_cwmi.maps import AdaptiveBoundaryWeightsd, BorderWeightd, SkeletonWeightsd, TubedSkeletond
from monai_cwmi.maps.transform import AppendMapsd


class Doubled(AppendMapsd):
    """Two maps that tell what the transform handed over."""

    def maps(self, label: np.ndarray) -> np.ndarray:
        assert label.dtype == np.int64
        borders, objects = self.masks(label)
        assert borders.dtype == objects.dtype == bool
        return np.stack((2.0 * borders, 3.0 * objects))


LABEL = np.array([[[0, 1, 2], [1, 0, 3]]])
EXPECTED = [[[0, 1, 2], [1, 0, 3]], [[0, 2, 0], [2, 0, 0]], [[3, 0, 3], [0, 3, 3]]]


def appended(label: Any, **options: Any) -> Any:
    return Doubled("label", **options)({"label": label, "image": None})["label"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
def test_an_array_stays_an_array(dtype: type) -> None:
    found = appended(LABEL.astype(dtype))
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    assert found.tolist() == EXPECTED


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_a_tensor_stays_a_tensor(dtype: torch.dtype) -> None:
    found = appended(torch.tensor(LABEL).to(dtype))
    assert type(found) is torch.Tensor
    assert found.dtype == torch.float32
    assert found.tolist() == EXPECTED


def test_a_metatensor_keeps_what_it_says_of_itself() -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0]))
    label = MetaTensor(torch.tensor(LABEL)[..., None], affine, {"filename_or_obj": "a.nii"})
    label.push_applied_operation({"class": "Flip"})
    found = appended(label)
    assert isinstance(found, MetaTensor)
    assert found.shape == (3, 2, 3, 1)
    assert found.dtype == torch.float32
    assert found.meta["filename_or_obj"] == "a.nii"
    torch.testing.assert_close(found.affine.float(), affine)
    assert found.applied_operations == label.applied_operations
    assert found.as_tensor()[..., 0].tolist() == EXPECTED


def test_a_bool_label_has_two_classes() -> None:
    assert appended(LABEL == 1).tolist() == [[[0, 1, 0], [1, 0, 0]], [[0, 2, 0], [2, 0, 0]], [[3, 0, 3], [0, 3, 3]]]


def test_the_border_is_the_foreground_class_and_unlabelled_pixels_are_no_objects() -> None:
    assert appended(LABEL, foreground=2)[1:].tolist() == [[[0, 0, 2], [0, 0, 0]], [[3, 3, 0], [3, 3, 3]]]
    assert appended(LABEL, ignore_index=3)[2].tolist() == [[3, 0, 3], [0, 3, 0]]
    # A foreground that is ignored as well is still border, as the label says.
    assert appended(LABEL, ignore_index=1)[1:].tolist() == appended(LABEL)[1:].tolist()


def test_the_data_passed_in_are_left_alone() -> None:
    data: dict[Any, Any] = {"label": LABEL.copy(), "image": "other"}
    found = Doubled("label")(data)
    assert data["label"].shape == (1, 2, 3)
    assert found["image"] == "other"


@pytest.mark.parametrize("shape", [(2, 2, 3), (3, 4), (3,), (0, 2, 3)])
def test_a_label_without_exactly_one_channel_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^Doubled takes a label with one channel .*'label' has the shape \(\d"):
        appended(np.zeros(shape))


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_values_that_are_no_classes_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="'label' has class indices that are not whole numbers"):
        appended(np.full((1, 2, 3), value))


def test_keys_may_be_missing_when_allowed() -> None:
    with pytest.raises(KeyError, match="label"):
        Doubled("label")({"image": LABEL})
    assert list(Doubled("label", allow_missing_keys=True)({"image": LABEL})) == ["image"]


def test_several_keys() -> None:
    found = Doubled(["a", "b"])({"a": LABEL, "b": LABEL[:, :1]})
    assert [found[key].shape for key in "ab"] == [(3, 2, 3), (3, 1, 3)]


@pytest.mark.parametrize(
    ("transform", "count"),
    [(BorderWeightd, 1), (AdaptiveBoundaryWeightsd, 2), (SkeletonWeightsd, 3), (TubedSkeletond, 1)],
)
@pytest.mark.parametrize("shape", [(8, 9), (6, 7, 5)])
def test_the_public_transforms_append_so_many_maps(
    transform: type[AppendMapsd], count: int, shape: tuple[int, ...]
) -> None:
    label = (torch.arange(int(np.prod(shape))).reshape(1, *shape) % 4 == 0).byte()
    (found,) = CacheDataset([{"label": MetaTensor(label)}], transform("label"), progress=False)
    assert found["label"].shape == (1 + count, *shape)
    assert torch.equal(found["label"][0].as_tensor(), label[0].float())
    assert found["label"].isfinite().all()
