"""The page about nnU-Net, from top to bottom, in a shell."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nnunet.conftest import TORCHVISION

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "nnunet.md").read_text()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(importlib.util.find_spec("nnunetv2") is None, reason="needs nnU-Net"),
]


def script() -> str:
    """The page's commands, and its Python given to Python."""
    blocks = re.findall(r"```(bash|python)\n(.*?)```", PAGE, flags=re.DOTALL)
    return "\n".join(text if language == "bash" else f"python - <<'BLOCK'\n{text}BLOCK" for language, text in blocks)


def test_every_block_runs(tmp_path: Path, myelin_cache: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{TORCHVISION}:{ROOT}",
        "MONAI_CWMI_CACHE": str(myelin_cache),
        # nnU-Net starts processes by the dozen, which spend their time on imports here.
        "nnUNet_def_n_proc": "1",
        "nnUNet_n_proc_DA": "1",
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(
        ["bash", "-e", "-c", script()], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((tmp_path / "predicted" / "summary.json").read_text())
    assert summary["mean"].keys() == {"1", "2"}
    # Nothing is seeded, and so short a training may lose a class, but not both.
    assert 0.2 < summary["foreground_mean"]["Dice"] < 1
    weights = "cross_entropy 0, dice 0, mutual_information 0.1, highpass_error 0.15, lowpass_error 0.15"
    assert f"Weights of the terms: {weights}\n" in result.stdout
