from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_cwmi.benchmark import Timing, growth_table, measurements, save_growth, save_speed, speed_table
from monai_cwmi.benchmark.growth import Growth
from monai_cwmi.benchmark.workload import Case

SMALL = Case(batch=2, classes=1, size=(10, 50))  # a prediction of 4,000 bytes
LARGE = replace(SMALL, size=(100, SMALL.size[1]), dtype=torch.bfloat16)


def _timings(case: Case) -> list[Timing]:
    return [
        Timing("floor: 2 rfftn + 1 irfftn", case, (0.002,), 4_000.0, 1.0, 0.01),
        Timing("CWMILoss", case, (0.006, 0.007, 0.008), 1.2e6, 3.5, 0.035),
        Timing("MONAI DiceCELoss", case, (0.001,), 2_000.0, 0.5, 0.005),
        Timing("MONAI HausdorffDTLoss", case, (), error="RuntimeError: " + "much too large " * 20),
        Timing("training step of a network", case, (0.2,), 8e6, 100.0, 1.0),
    ]


TIMINGS = [*_timings(SMALL), *_timings(LARGE)]
GROWTHS = [
    Growth("size", 10, *_timings(SMALL)[:2]),
    Growth("size", 20, *_timings(replace(SMALL, size=(20, SMALL.size[1])))[:2]),
    Growth("levels", 4, *_timings(SMALL)[:2]),
    Growth("levels", 5, _timings(SMALL)[0], Timing("CWMILoss", SMALL, (), error="MemoryError: none left")),
]


def _strict(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


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


def test_speed_files(tmp_path: Path) -> None:
    paths = save_speed(TIMINGS, tmp_path / "new" / "folder")
    assert paths == [tmp_path / "new" / "folder" / name for name in ("speed.json", "speed.png")]
    content = json.loads(paths[0].read_text(), parse_constant=_strict)
    about = content["environment"]
    assert about["device"] == "cpu"
    assert about["torch"] == torch.__version__
    assert all(about[name] for name in ("cpu", "threads", "python", "monai", "monai_cwmi"))
    assert len(content["records"]) == len(TIMINGS)
    cwmi, failed = content["records"][1], content["records"][3]
    expected = {
        "contestant": "CWMILoss",
        "batch": 2,
        "classes": 1,
        "size": [10, 50],
        "num_levels": 4,
        "num_orientations": 4,
        "device": "cpu",
        "dtype": "float32",
        "repeats": 3,
        "median_s": 0.007,
        "iqr_s": pytest.approx(0.001),
        "ratio_to_floor": 3.5,
        "share_of_network_step": 0.035,
        "peak_bytes": 1.2e6,
        "peak_over_prediction": 300.0,
        "times_s": [0.006, 0.007, 0.008],
        "error": None,
    }
    assert cwmi == expected
    assert failed["error"].startswith("RuntimeError")
    assert failed["repeats"] == 0
    assert failed["median_s"] is None


def test_growth_files(tmp_path: Path) -> None:
    paths = save_growth(GROWTHS, tmp_path)
    assert [path.name for path in paths] == ["growth.json", "growth.png"]
    records = json.loads(paths[0].read_text(), parse_constant=_strict)["records"]
    assert [(r["quantity"], r["value"], r["contestant"]) for r in records[:2]] == [
        ("size", 10, "floor: 2 rfftn + 1 irfftn"),
        ("size", 10, "CWMILoss"),
    ]
    assert len(records) == 2 * len(GROWTHS)


def test_without_matplotlib_there_are_numbers_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "monai_cwmi.benchmark.cost_charts", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"monai-cwmi\[bundle\]"):
        save_speed(TIMINGS, tmp_path)
    with pytest.raises(ImportError, match=r"monai-cwmi\[bundle\]"):
        save_growth(GROWTHS, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"speed.json", "growth.json"}


def test_nothing_measured_is_an_error(tmp_path: Path) -> None:
    for call in (
        lambda: speed_table([]),
        lambda: growth_table([]),
        lambda: save_speed([], tmp_path),
        lambda: save_growth([], tmp_path),
    ):
        with pytest.raises(ValueError, match="no measurements"):
            call()


def test_a_machine_and_a_package_that_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fail)
    assert measurements._cpu_model()
    assert measurements._version("a package that nobody has") == "unknown"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_is_named() -> None:
    assert torch.cuda.get_device_name() in speed_table(_timings(replace(SMALL, device="cuda"))).splitlines()[0]
