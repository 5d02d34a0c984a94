from __future__ import annotations

from pathlib import Path

import pytest

from monai_cwmi.benchmark import machine


def test_a_machine_and_a_package_that_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fail)
    assert machine._cpu_model()
    assert machine._version("a package that nobody has") == "unknown"
