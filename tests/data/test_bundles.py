from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from monai_cwmi.data import bundles, get_bundle, list_bundles

NAME = "myelin_sem_segmentation"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two bundles to copy, as installed: read-only files, and one in which a training has written."""
    folder = tmp_path / "delivered"
    for name in (NAME, "another"):
        for path in ("LICENSE", "configs/metadata.json", "configs/train.json", "docs/README.md"):
            (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / path).write_text(f"{name}: {path}")
            (folder / name / path).chmod(0o444)
    (folder / NAME / "models").mkdir()
    (folder / NAME / "models" / "model.pt").touch()
    (folder / "no_bundle").mkdir()
    monkeypatch.setattr(bundles, "_find_bundles", lambda: folder)
    return folder


def test_bundles_of_the_repository() -> None:
    folder = Path(__file__).parents[2] / "bundles"
    assert list_bundles() == sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert len(list_bundles()) == 8


def test_a_copy_is_what_is_delivered(delivered: Path, tmp_path: Path) -> None:
    assert list_bundles() == ["another", NAME]
    copy = get_bundle(NAME, tmp_path / "new" / "folder")
    assert copy == tmp_path / "new" / "folder" / NAME
    assert os.listdir(copy.parent) == [NAME]
    original = contents(delivered / NAME)
    original.pop("models/model.pt")
    assert contents(copy) == original
    assert (copy / "configs" / "train.json").stat().st_mode & 0o200  # the user is to edit it


def test_an_unknown_name_is_told_the_names(delivered: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"no bundle 'heart'. There are: another, {NAME}"):
        get_bundle("heart", tmp_path / "new")
    with pytest.raises(ValueError, match="no bundle"):
        get_bundle("../delivered/another", tmp_path / "new")  # a name, not a path
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_left_as_it_is(delivered: Path, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "mine").write_text("months of work")
    (tmp_path / "another").write_text("a file")
    for name in (NAME, "another"):
        with pytest.raises(FileExistsError, match=f"{name} is there already"):
            get_bundle(name, tmp_path)
    assert contents(tmp_path / NAME) == {"mine": b"months of work"}
    assert (tmp_path / "another").read_text() == "a file"


def test_an_empty_folder_is_filled(delivered: Path, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    assert "configs/train.json" in contents(get_bundle(NAME, tmp_path))


def test_a_failure_leaves_nothing(delivered: Path, tmp_path: Path) -> None:
    shutil.rmtree(delivered / NAME / "docs")  # copied last
    with pytest.raises(FileNotFoundError, match="docs"):
        get_bundle(NAME, tmp_path / "new")
    assert os.listdir(tmp_path / "new") == []
