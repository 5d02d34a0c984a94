from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandFlipd, RandRotate90d

from monai_cwmi.maps import TubedSkeletond
from monai_cwmi.maps.skeleton import tubed_skeletons


def label(shape: tuple[int, ...] = (24, 19)) -> np.ndarray:
    classes = np.zeros((1, *shape), np.uint8)
    classes[:, 3:10] = 1
    classes[:, 12:20, 4:9] = 2
    classes[..., 15] = 255
    return classes


@pytest.mark.parametrize("shape", [(24, 19), (24, 19, 16)])
def test_the_tubes_come_behind_the_label(shape: tuple[int, ...]) -> None:
    found = TubedSkeletond("label", ignore_index=255)({"label": label(shape), "image": 3})
    assert found["image"] == 3
    assert found["label"].dtype == np.float32
    assert np.array_equal(found["label"][0], label(shape)[0])
    assert np.array_equal(found["label"][1], tubed_skeletons(label(shape)[0], ignore_index=255))
    assert set(np.unique(found["label"][1])) == {0, 1, 2}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.float16])
def test_meta_tensors_stay_what_they_are(dtype: torch.dtype) -> None:
    affine = np.diag([0.5, 2.0, 1.0, 1.0])
    tensor = MetaTensor(torch.from_numpy(label()).to(dtype), affine=affine)
    found = TubedSkeletond("label", ignore_index=255)({"label": tensor})["label"]
    assert isinstance(found, MetaTensor)
    assert found.dtype == torch.float32
    assert np.array_equal(found.affine, affine)
    expected = TubedSkeletond("label", ignore_index=255)({"label": label()})["label"]
    assert np.array_equal(found.numpy(), expected)


def test_random_transforms_move_label_and_tubes_together() -> None:
    pipeline = Compose(
        [TubedSkeletond("label"), RandFlipd("label", prob=1, spatial_axis=0), RandRotate90d("label", prob=1, max_k=1)]
    )
    found = pipeline({"label": torch.from_numpy(label())})["label"]
    expected = TubedSkeletond("label")({"label": torch.from_numpy(label())})["label"]
    assert np.array_equal(found.numpy(), np.rot90(np.flip(expected.numpy(), 1), axes=(1, 2)))


def test_bad_labels_are_named() -> None:
    bad: list[tuple[Any, str]] = [
        (np.zeros((2, 8, 8)), "TubedSkeletond takes a label with one channel"),
        (np.full((1, 8, 8), 0.5), "not whole numbers"),
    ]
    for value, message in bad:
        with pytest.raises(ValueError, match=message):
            TubedSkeletond("label")({"label": value})
    with pytest.raises(KeyError, match="label"):
        TubedSkeletond("label")({})
    assert TubedSkeletond("label", allow_missing_keys=True)({}) == {}
    with pytest.raises(TypeError, match="foreground"):  # each class has a skeleton
        TubedSkeletond("label", foreground=1)  # type: ignore[call-arg]
