from __future__ import annotations

from pathlib import Path

import pytest

from monai_cwmi.__main__ import main
from monai_cwmi.commands.fetch_sample import SAMPLE_NAMES
from monai_cwmi.data import SAMPLES


def test_fetch_sample_prints_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("monai_cwmi.data.fetch_sample", lambda name, out: Path(out) / name)
    main(["fetch-sample", "myelin_sem", "--out", str(tmp_path)])
    assert capsys.readouterr().out == f"{tmp_path / 'myelin_sem'}\n"


def test_the_choices_are_the_samples() -> None:
    assert sorted(SAMPLE_NAMES) == sorted(SAMPLES)
