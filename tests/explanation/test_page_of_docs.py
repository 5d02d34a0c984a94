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

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "explain.md").read_text(encoding="utf-8")
# Short trainings: what is tested are the commands.
SHORT = {"myelin_sem": "--epochs 1 --steps_per_epoch 4", "organ_ct": "--epochs 1 --steps_per_epoch 1"}


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
    assert names["pulls"].information.shape == (4, 2, 96, 96)
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
@pytest.mark.parametrize("name", ["myelin_sem", "organ_ct"])
def test_bash(name: str, tmp_path: Path, myelin_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(myelin_cache))
    written = shutil.ignore_patterns("models", "eval", "output")
    shutil.copytree(
        ROOT / "bundles" / f"{name}_segmentation", tmp_path / f"bundles/{name}_segmentation", ignore=written
    )
    short = re.compile(r"(configs/train\.json)(?: --epochs \d+)?$", re.MULTILINE)
    found = [block for block in blocks("bash") if f"cd bundles/{name}_segmentation\n" in block]
    printed = [run(short.sub(rf"\1 {SHORT[name]}", block), tmp_path) for block in found]
    assert "fine structure (" in printed[0]
    out = tmp_path / f"bundles/{name}_segmentation"
    assert (out / "explanation" / "page.html").stat().st_size < 15e6
    assert name == "myelin_sem" or (out / "eval" / "information.png").is_file()
