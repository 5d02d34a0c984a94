from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_cwmi.data.cache import find_cache, make_once


def test_an_argument_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(tmp_path / "environment"))
    assert find_cache(tmp_path / "argument") == tmp_path / "argument"
    assert find_cache() == tmp_path / "environment"


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    def make(folder: Path, scratch: Path) -> None:
        assert folder.is_dir()
        assert not any((*folder.iterdir(), *scratch.iterdir()))
        (folder / "content").write_text("first")
        (scratch / "rubbish").touch()

    folder = make_once(tmp_path / "new" / "folder", make)
    assert folder == tmp_path / "new" / "folder"
    assert (folder / "content").read_text() == "first"
    assert os.listdir(tmp_path / "new") == ["folder"]

    def fail(_folder: Path, _scratch: Path) -> None:
        raise AssertionError("made again")

    assert make_once(folder, fail) == folder


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path, _scratch: Path) -> None:
        (folder / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        make_once(tmp_path / "folder", fail)
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OSError, match="folder"):
        make_once(tmp_path / "folder", lambda *_: None)
    assert os.listdir(tmp_path) == ["folder"]
