"""nnU-Net in the tests' own process, or in others, where torchvision may not fit torch."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

# For processes that tests start; this one has imported its sitecustomize already.
TORCHVISION = Path(__file__).parent / "torchvision_beside_cpu_torch"


@pytest.fixture(scope="session", autouse=True)
def torchvision_beside_cpu_torch() -> None:
    """Let torchvision be imported beside a torch for CPUs; see that folder."""
    if "torchvision" not in sys.modules:
        runpy.run_path(str(TORCHVISION / "sitecustomize.py"))
