from __future__ import annotations

from pathlib import Path

import pytest

from monai_cwmi.__main__ import main
from monai_cwmi.benchmark import measure_growth


def test_benchmark_growth_prints_a_table_and_writes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "monai_cwmi.benchmark.measure_growth",
        lambda **options: measure_growth(**options, quantities={"size": (16, 32)}),
    )
    main(["benchmark-growth", "--device", "cpu", "--repeats", "1", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "size" in printed
    assert str(tmp_path / "growth.json") in printed
    assert {path.name for path in tmp_path.iterdir()} == {"growth.json", "growth.png"}
