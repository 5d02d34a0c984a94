from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from monai.apps.utils import check_hash

SDIST = "ipydicom-0.1.0.tar.gz"
SHA256 = "19baeefa40584b806a0a32c530f23c888b13c7019613e65dadf28b10fa9f0321"
# pip asks an sdist's build backend for its metadata and so would run code that came with it. This one answers instead.
BACKEND = """
import pathlib
def prepare_metadata_for_build_wheel(folder, settings=None):
    path = pathlib.Path(folder, "ipydicom-0.1.0.dist-info")
    path.mkdir()
    (path / "METADATA").write_text("Metadata-Version: 2.1\\nName: ipydicom\\nVersion: 0.1.0\\n")
    return path.name
"""


@pytest.fixture(scope="session")
def ct_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three slices of a real CT (01.dcm to 03.dcm) and partial_overlaps.dcm, a SEG of five segments that overlap."""
    folder = tmp_path_factory.mktemp("ct_sample")
    backend = folder / "backend" / "hatchling"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build.py").write_text(BACKEND)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
    command += ["--no-build-isolation", "--dest", str(folder), "ipydicom==0.1.0"]
    result = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(backend.parent)}, capture_output=True, text=True, check=False
    )
    if result.returncode:
        pytest.skip(f"no package index has the sample: {result.stderr.strip().splitlines()[-1]}")
    assert check_hash(folder / SDIST, SHA256, "sha256")
    with tarfile.open(folder / SDIST) as archive:
        for name in ("01.dcm", "02.dcm", "03.dcm", "partial_overlaps.dcm"):
            member = archive.extractfile(f"ipydicom-0.1.0/samples/dcmqi_ct3slice/{name}")
            assert member is not None
            (folder / name).write_bytes(member.read())
    return folder
