from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_cwmi.__main__ import main

BENCHMARK = ["benchmark-speed", "--batch", "1", "--device", "cpu", "--repeats", "1"]


def test_benchmark_speed_prints_a_table_and_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = ["--sizes", "32x32", "16x48", "--orientations", "2", "--classes", "2", "--out", str(out)]
    main([*BENCHMARK, *options])
    printed = capsys.readouterr().out
    assert "1 x 2 x 32 x 32, K = 2, N = 4, float32" in printed
    assert "1 x 2 x 16 x 48, K = 2, N = 4, float32" in printed
    assert printed.count("MONAI DiceCELoss") == 2
    assert str(out / "speed.png") in printed
    sizes = {tuple(r["size"]) for r in json.loads((out / "speed.json").read_text())["records"]}
    assert sizes == {(32, 32), (16, 48)}
    assert (out / "speed.png").stat().st_size > 0


def test_without_out_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main([*BENCHMARK, "--sizes", "32x32"])
    assert "Written" not in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_options_reach_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def measure(sizes: list[tuple[int, int]], **options: Any) -> list[Any]:
        seen.update(options, sizes=sizes)
        return []

    monkeypatch.setattr("monai_cwmi.benchmark.measure_speed", measure)
    monkeypatch.setattr("monai_cwmi.benchmark.speed_table", lambda timings: "")
    main(["benchmark-speed"])
    defaults: dict[str, Any] = {
        "sizes": [(512, 512)],
        "batch": 10,
        "classes": 1,
        "num_orientations": None,
        "device": None,
        "dtype": torch.float32,
        "repeats": 30,
        "compiled": False,
    }
    assert seen == defaults
    main([*BENCHMARK, "--dtype", "bfloat16", "--compile"])
    assert seen == defaults | {
        "batch": 1,
        "device": "cpu",
        "dtype": torch.bfloat16,
        "repeats": 1,
        "compiled": True,
    }


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--sizes", "512"], 2, "expected a size as 512x512 or 96x96x96, got '512'"),
        (["--sizes", "64x0"], 2, "'64x0'"),
        (["--sizes", "8x8x8x8"], 2, "'8x8x8x8'"),
        (["--batch", "0"], 2, "--batch: expected a whole number from 1, got '0'"),
        (["--repeats", "-3"], 2, "expected"),
        (["--classes", "two"], 2, "'two'"),
        (["--dtype", "int8"], 2, "int8"),
        (["--orientations", "1"], 1, "num_orientations must be at least 2"),
        (["--device", "abacus"], 1, "abacus"),
        (["--device", "cuda:99"], 1, "no device 'cuda:99'"),
        (["--out", __file__], 1, Path(__file__).name),
    ],
)
def test_impossible_options_are_one_clear_line(
    options: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(["benchmark-speed", *options])
    assert error.value.code == status
    last = capsys.readouterr().err
    assert message in last.splitlines()[-1]
    assert status == 2 or last.count("\n") == 1
