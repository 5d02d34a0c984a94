"""What docs/how-to/explain.md shows is run as it is printed."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from monai_cwmi.explanation import InformationReport

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "explain.md").read_text(encoding="utf-8")
NAME = "myelin_sem_segmentation"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def run(block: str, folder: Path) -> str:
    """Run a block of shell commands with this environment's ``python``."""
    variables = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        ["bash", "-euc", block],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, names)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed] == ["2 px", "4 px", "8 px", "16 px"]
    assert [tuple(gradient.values.shape) for gradient in names["gradients"]] == [(2, 96, 96)] * 8
    assert len(names["figure"].axes) == 2 + 2 * 4 * 4


def test_json() -> None:
    (block,) = blocks("json")
    config = {"output_dir": "eval", "class_names": ["background", "cell"], "report": json.loads(block)}
    assert isinstance(ConfigParser(config).get_parsed_content("report"), InformationReport)


def test_the_extras_exist() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    ((extras,),) = (re.findall(r'"\.\[(.*?)\]"', block) for block in blocks("bash")[:1])
    assert set(extras.split(",")) <= set(setup["options.extras_require"])


@pytest.mark.network
def test_bash(tmp_path: Path, myelin_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(myelin_cache))
    bundle = tmp_path / "bundles" / NAME
    shutil.copytree(ROOT / "bundles" / NAME, bundle, ignore=shutil.ignore_patterns("models", "eval", "output"))
    commands = [block for block in blocks("bash") if f"cd bundles/{NAME}\n" in block]
    assert len(commands) == len(blocks("bash")) - 1  # all but the installation
    # A short training: what is tested are the commands.
    short = re.compile(r"(configs/train\.json)$", re.MULTILINE)
    printed = [run(short.sub(r"\1 --epochs 1 --steps_per_epoch 4", block), tmp_path) for block in commands]
    assert "myelin: fine structure (0.28 µm) " in printed[0]
    assert 5e6 < (bundle / "explanation" / "page.html").stat().st_size < 15e6
    for folder in ("explanation", "eval"):
        assert (bundle / folder / "information.csv").is_file()
        assert (bundle / folder / "information.png").is_file()
