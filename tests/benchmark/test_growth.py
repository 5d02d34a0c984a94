from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monai_cwmi.benchmark import growth, measure_growth
from monai_cwmi.benchmark.growth import GROWTH
from monai_cwmi.benchmark.speed import time_steps
from monai_cwmi.benchmark.workload import Workload


def test_one_quantity_grows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []

    def count(steps: Any, workload: Workload, repeats: int, title: str) -> Any:
        measured.append(workload)
        return time_steps(steps, workload, repeats, title)

    monkeypatch.setattr(growth, "time_steps", count)
    # The base workload is small here, or the test would take long.
    monkeypatch.setattr(growth, "Workload", lambda **options: Workload(**options | {"batch": 2, "size": (32, 32)}))
    quantities = {"size": (16, 32), "batch": (1, 2), "classes": (1, 2), "orientations": (3, 4), "levels": (2, 4)}
    growths = measure_growth(device="cpu", repeats=1, quantities=quantities)

    base = Workload(batch=2, size=(32, 32))
    assert [(g.quantity, g.value, g.loss.workload) for g in growths] == [
        ("size", 16, replace(base, size=(16, 16))),
        ("size", 32, base),
        ("batch", 1, replace(base, batch=1)),
        ("batch", 2, base),
        ("classes", 1, base),
        ("classes", 2, replace(base, classes=2)),
        ("orientations", 3, replace(base, num_orientations=3)),
        ("orientations", 4, base),
        ("levels", 2, replace(base, num_levels=2)),
        ("levels", 4, base),
    ]
    assert len(measured) == len(set(measured)) == 6
    for _, _, floor, loss in growths:
        assert floor.workload == loss.workload
        assert floor.ratio == 1
        assert loss.name == "CWMILoss"
        assert loss.ratio == pytest.approx(loss.median / floor.median)


def test_each_default_series_holds_the_base_workload() -> None:
    base = {"size": 256, "batch": 4, "classes": 1, "orientations": 4, "levels": 4}
    assert base.keys() == GROWTH.keys()
    assert all(base[quantity] in values for quantity, values in GROWTH.items())


def test_unknown_quantities_are_named() -> None:
    with pytest.raises(ValueError, match=r"\['depth'\]"):
        measure_growth(device="cpu", quantities={"depth": (1, 2)})
    with pytest.raises(ValueError, match="batch must be at least 1"):
        measure_growth(device="cpu", quantities={"batch": (0,)})
