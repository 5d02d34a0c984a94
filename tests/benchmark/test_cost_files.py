from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.made_up import GROWTHS, TIMINGS
from monai_cwmi.benchmark import save_growth, save_speed


def _strict(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


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
    for save in (save_speed, save_growth):
        with pytest.raises(ValueError, match="no measurements"):
            save([], tmp_path)
    assert not list(tmp_path.iterdir())
