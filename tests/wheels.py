"""Wheels that look like the real ones to `fetch_sample`, with contents of a test's own."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from monai_cwmi.data import SAMPLES


def fake_wheel(folder: Path, name: str, contents: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a wheel with these contents for a sample's members into a cache folder and expect its checksum."""
    path = folder / "fake-1.0-py3-none-any.whl"
    sample = SAMPLES[name]
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in zip(sample.members, contents, strict=True):
            archive.writestr(member, content)
    wheel = replace(sample.wheel, filename=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(SAMPLES, name, replace(sample, wheel=wheel))
    return path
