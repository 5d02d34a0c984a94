"""Run one command of a page as its reader would, within this process where that saves the start of Python."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from monai.utils import set_determinism

from monai_cwmi.__main__ import main
from monai_cwmi.comparison import runner

from .tables import DEFAULT_PATCH, PATCHES, SHORTER


class PlannedError(Exception):
    """A comparison is about to begin its first training."""


def shortened(command: str, bundle: str) -> list[str]:
    """The words of a command, with what the tables append."""
    words = shlex.split(command)
    if words[:4] == ["python", "-m", "monai.bundle", "run"] and "model.json" not in command:
        words += ["--patch_size", PATCHES.get(bundle, DEFAULT_PATCH)]
    for pattern, appended in SHORTER.items():
        if re.search(pattern, command):
            words += shlex.split(appended)
    return words


def run(command: str, folder: Path, bundle: str) -> None:
    """Run a command in a folder.

    Args:
        command: As printed, on one line.
        folder: The working directory.
        bundle: Whose patches are small enough for a test.
    """
    words = shortened(command, bundle)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        if words[:3] == ["python", "-m", "monai.bundle"]:
            patch.setattr(sys, "argv", words[2:])
            patch.setattr("monai_cwmi.pictures.transforms.save_panels", lambda *_, **__: None)  # slow, tested elsewhere
            runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
            set_determinism(None)
        elif words[:4] == ["python", "-m", "monai_cwmi", "compare"]:
            patch.setattr(runner, "_run_cells", _stop)  # trainings themselves: tests/comparison/test_runner.py
            with pytest.raises(PlannedError):
                main(words[3:])
        elif words[:3] == ["python", "-m", "monai_cwmi"]:
            main(words[3:])
        else:
            launcher = {"python": [sys.executable], "torchrun": [sys.executable, "-m", "torch.distributed.run"]}
            assert words[0] in launcher, f"nobody runs: {command}"
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            subprocess.run([*launcher[words[0]], *words[1:]], check=True, env=environment, timeout=120)


def _stop(*_: object) -> None:
    raise PlannedError
