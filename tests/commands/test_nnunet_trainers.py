from __future__ import annotations

from pathlib import Path

import pytest

from monai_cwmi.__main__ import main


@pytest.mark.parametrize("problem", [None, "no nnU-Net"])
def test_the_folder_is_all_that_a_shell_takes(
    problem: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("monai_cwmi.nnunet.nnunet_problem", lambda: problem)
    main(["nnunet-trainers"])
    out, err = capsys.readouterr()
    assert (Path(out.removesuffix("\n")) / "cwmi_nnunet_trainers.py").is_file()
    assert err == (f"{problem}\n" if problem else "")
