from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_cwmi.benchmark.workload import Workload, default_device, dtype_name


def test_shape_and_memory_of_the_prediction() -> None:
    workload = Workload(batch=2, classes=3, size=(5, 7), dtype=torch.float64)
    assert workload.shape == (2, 3, 5, 7)
    assert workload.prediction_bytes == torch.empty(2, 3, 5, 7, dtype=torch.float64).nbytes


def test_description() -> None:
    workload = Workload(batch=2, classes=3, size=(5, 7, 9), num_levels=2, num_orientations=6, dtype=torch.bfloat16)
    assert workload.description == "2 x 3 x 5 x 7 x 9, K = 6, N = 2, bfloat16"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_half_precision_runs_in_autocast(dtype: torch.dtype) -> None:
    workload = Workload(dtype=dtype)
    is_half = dtype.itemsize == 2
    assert workload.compute_dtype == (torch.float32 if is_half else dtype)
    assert dtype_name(dtype) in str(dtype)
    assert not torch.is_autocast_enabled("cpu")
    with workload.autocast():
        assert torch.is_autocast_enabled("cpu") == is_half
        if is_half:
            assert torch.get_autocast_dtype("cpu") == dtype


def test_default_device_exists() -> None:
    assert Workload(device=default_device()).device == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch must be at least 1"),
        ({"classes": 0}, "classes must be at least 1"),
        ({"size": (0, 5)}, "size must be"),
        ({"size": (5,)}, "size must be"),
        ({"num_levels": 0}, "num_levels"),
        ({"num_orientations": 1}, "num_orientations"),
        ({"dtype": torch.int64}, "float32"),
        ({"device": "abacus"}, "'abacus'"),
        ({"device": "meta"}, "'meta'"),
        ({"device": "cuda:99"}, "no device 'cuda:99'"),
    ],
)
def test_impossible_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Workload(**options)
