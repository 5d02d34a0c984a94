"""The README's examples run as they are printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_cwmi import CWMILoss

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python() -> None:
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, names)
    assert names["information"].shape == (4, 2, 3)


def test_json() -> None:
    (block,) = blocks("json")
    loss = ConfigParser(json.loads(block)).get_parsed_content("loss")
    assert isinstance(loss, CWMILoss)
    assert loss.balance == 0.5  # by default


def test_the_commands_are_in_the_makefile() -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert f"\n{target}:" in makefile
