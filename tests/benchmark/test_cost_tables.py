from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmark.made_up import GROWTHS, SMALL, TIMINGS, timings_of
from monai_cwmi.benchmark import growth_table, speed_table


def test_speed_table() -> None:
    lines = speed_table(TIMINGS).splitlines()
    assert "on cpu" in lines[0]
    assert f"{torch.get_num_threads()} threads" in lines[0]
    assert f"torch {torch.__version__}" in lines[1]
    assert max(map(len, lines)) <= 120
    start = lines.index("2 x 1 x 10 x 50, K = 4, N = 4, float32")
    assert "2 x 1 x 100 x 50, K = 4, N = 4, bfloat16" in lines[start + 1 :]
    header, floor, cwmi, _, failed, _ = lines[start + 1 : start + 7]
    assert cwmi.split() == ["CWMILoss", "7.00", "ms", "1.00", "ms", "3", "3.50", "3.50", "%", "1.2", "MB", "300.0"]
    assert len(header) == len(floor) == len(cwmi)  # columns are aligned
    assert "failed: RuntimeError: much too large" in failed
    assert failed.endswith("...")


def test_a_share_of_nothing_is_a_dash() -> None:
    assert " - " in speed_table([replace(TIMINGS[0], network_share=float("nan"))]).splitlines()[-1]


def test_growth_table() -> None:
    lines = growth_table(GROWTHS).splitlines()
    assert [line.split()[0] for line in lines if "IQR" in line] == ["size", "levels"]
    assert lines[-5].split() == ["20", "7.00", "ms", "1.00", "ms", "2.00", "ms", "3.50"]
    assert lines[-1].split() == ["5", "failed:", "MemoryError:", "none", "left"]


def test_nothing_measured_is_an_error() -> None:
    for table in (speed_table, growth_table):
        with pytest.raises(ValueError, match="no measurements"):
            table([])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_is_named() -> None:
    assert torch.cuda.get_device_name() in speed_table(timings_of(replace(SMALL, device="cuda"))).splitlines()[0]
