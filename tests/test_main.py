from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from monai_cwmi.__main__ import main


def test_a_failure_is_one_message_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str, _out: str | None) -> Path:
        raise RuntimeError(f"no network for {name}")

    monkeypatch.setattr("monai_cwmi.data.fetch_sample", fail)
    with pytest.raises(SystemExit) as error:
        main(["fetch-sample", "myelin_sem"])
    assert error.value.code == 1
    assert capsys.readouterr().err == "no network for myelin_sem\n"


def test_the_module_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["monai_cwmi", "fetch-sample", "heart"])
    with pytest.raises(SystemExit) as error:
        runpy.run_module("monai_cwmi", run_name="__main__")
    assert error.value.code == 2
    assert "myelin_sem" in capsys.readouterr().err
