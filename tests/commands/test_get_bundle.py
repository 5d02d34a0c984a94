from __future__ import annotations

from pathlib import Path

import pytest

from monai_cwmi.__main__ import main
from monai_cwmi.commands.get_bundle import BUNDLE_NAMES
from monai_cwmi.data import list_bundles

NAME = "myelin_sem_segmentation"


def test_get_bundle_prints_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["get-bundle", NAME, str(tmp_path)])
    assert capsys.readouterr().out == f"{tmp_path / NAME}\n"
    assert (tmp_path / NAME / "configs" / "train.json").is_file()


def test_the_choices_are_the_bundles() -> None:
    assert list(BUNDLE_NAMES) == list_bundles()


def test_help_names_the_bundles(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["get-bundle", "--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in list_bundles())


def test_an_unknown_name_is_told_the_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["get-bundle", "heart", str(tmp_path)])
    assert error.value.code == 2
    message = capsys.readouterr().err
    assert "invalid choice: 'heart'" in message
    assert all(name in message for name in list_bundles())


def test_a_folder_in_the_way_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "mine").touch()
    with pytest.raises(SystemExit) as error:
        main(["get-bundle", NAME, str(tmp_path)])
    assert error.value.code == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path / NAME} is there already")
