from __future__ import annotations

import math

import pytest

from monai_cwmi.benchmark import Timing
from monai_cwmi.benchmark.timings import device_of
from monai_cwmi.benchmark.workload import Workload

WORKLOAD = Workload(batch=1, size=(32, 32))


def test_median_and_interquartile_range() -> None:
    timing = Timing("five", WORKLOAD, (5.0, 1.0, 2.0, 4.0, 3.0))
    assert timing.median == 3
    assert timing.spread == 2


def test_nothing_is_known_of_a_failure() -> None:
    timing = Timing("failed", WORKLOAD, (), error="MemoryError: none left")
    assert all(math.isnan(value) for value in (timing.median, timing.spread, timing.peak_multiple))


def test_the_device_is_that_of_the_workload() -> None:
    assert device_of([Timing("one", WORKLOAD, ())]) == "cpu"
    with pytest.raises(ValueError, match="no measurements"):
        device_of([])
