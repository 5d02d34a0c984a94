from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from monai_cwmi import __main__ as command_line


def test_fetch_sample_prints_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "fetch_sample", lambda name, out: Path(out) / name)
    command_line.main(["fetch-sample", "myelin_sem", "--out", str(tmp_path)])
    assert capsys.readouterr().out == f"{tmp_path / 'myelin_sem'}\n"


def test_a_failure_is_one_message_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str, _out: str | None) -> Path:
        raise RuntimeError(f"no network for {name}")

    monkeypatch.setattr(command_line, "fetch_sample", fail)
    with pytest.raises(SystemExit) as error:
        command_line.main(["fetch-sample", "myelin_sem"])
    assert error.value.code == 1
    assert capsys.readouterr().err == "no network for myelin_sem\n"


def test_the_module_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["monai_cwmi", "fetch-sample", "heart"])
    with pytest.raises(SystemExit) as error:
        runpy.run_module("monai_cwmi", run_name="__main__")
    assert error.value.code == 2
    assert "myelin_sem" in capsys.readouterr().err


def test_benchmark_speed_prints_a_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    command_line.main(["benchmark-speed", "--shape", "1", "1", "16", "16", "--num-orientations", "2", "--repeats", "2"])
    printed = capsys.readouterr().out
    assert "1 x 1 x 16 x 16, K = 2" in printed
    assert printed.count("x floor") == 5
