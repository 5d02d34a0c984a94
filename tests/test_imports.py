"""The order of the package's parts, as rules on its imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import monai_cwmi
from imports import Import, circles, read_imports
from monai_cwmi.commands import COMMANDS

PACKAGE = Path(monai_cwmi.__file__).parent
IMPORTS = read_imports(PACKAGE)
CORE = ("bands", "measures", "functional", "losses")
# What each part may import of the package, itself aside. Parts that are not named here may import any but commands.
MAY_IMPORT = {
    "bands": (),
    "measures": ("bands",),
    "functional": ("bands", "measures"),
    # The skeleton- and topology-aware loss looks for critical errors in each prediction; maps import nothing of losses.
    "losses": ("bands", "measures", "functional", "maps"),
    "maps": (),
    "pictures": (),
    "data": (),
    "training": (),
    "metrics": ("bands", "measures", "functional", "maps"),
    "nnunet": ("losses",),
    "clinic": ("data", "pictures"),
}


def part_of(module: str) -> str | None:
    """``losses`` for ``monai_cwmi.losses.cwmi``; ``None`` for other packages and for ``monai_cwmi`` itself."""
    words = module.split(".")
    return words[1] if words[0] == "monai_cwmi" and len(words) > 1 else None


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_parts_import_only_what_stands_below_them(part: str) -> None:
    own = [each for each in IMPORTS if part_of(each.where) == part]
    assert own
    allowed = {part, *MAY_IMPORT[part]}
    wrong = [f"{each.at} imports {each.what}" for each in own if part_of(each.what) not in {None, *allowed}]
    assert not wrong


def test_nothing_but_the_command_line_imports_the_commands() -> None:
    wrong = [f"{each.at} imports {each.what}" for each in IMPORTS if part_of(each.what) == "commands"]
    assert all(line.startswith(("monai_cwmi/commands/", "monai_cwmi/__main__.py")) for line in wrong)


def test_only_maps_of_critical_errors_are_imported_by_losses() -> None:
    found = {(each.where, each.what, each.is_top_level) for each in IMPORTS if part_of(each.where) == "losses"}
    maps = {each for each in found if part_of(each[1]) == "maps"}
    assert maps == {("monai_cwmi.losses.skea_topo", "monai_cwmi.maps.critical_errors", False)}


def test_no_module_imports_itself_through_others() -> None:
    assert circles(IMPORTS) == []


def test_what_the_loss_is_made_of_needs_torch_alone_to_be_imported() -> None:
    tops = {each.what.split(".")[0] for each in IMPORTS if each.is_top_level and _is_core(each)}
    assert tops - {"monai_cwmi", *sys.stdlib_module_names} == {"torch"}


def _is_core(each: Import) -> bool:
    return each.where == "monai_cwmi" or part_of(each.where) in CORE


@pytest.mark.parametrize("words", [[], *([command.__name__.split(".")[-1].replace("_", "-")] for command in COMMANDS)])
def test_help_imports_none_of_what_commands_need(words: list[str]) -> None:
    # Each of these takes seconds.
    code = f"""
import sys
from monai_cwmi.__main__ import main
try:
    main({[*words, "--help"]!r})
except SystemExit as end:
    assert not end.code
print("imported:", *sorted(set(sys.modules) & {{"monai", "ignite", "matplotlib", "pandas", "skimage", "sklearn"}}))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "usage: python -m monai_cwmi" in result.stdout
    assert result.stdout.splitlines()[-1] == "imported:"


# The checker itself, on made-up packages.


def made(tmp_path: Path, **files: str) -> list[Import]:
    package = tmp_path / "pkg"
    for name, text in files.items():
        path = package / f"{name.replace('__', '/')}.py" if name != "init" else package / "__init__.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_imports(package)


def test_an_import_inside_a_function_counts(tmp_path: Path) -> None:
    found = made(tmp_path, a="def f():\n    from pkg import b\n", b="import os\n")
    assert found == [Import("pkg.a", "pkg.b", "pkg/a.py:2", False), Import("pkg.b", "os", "pkg/b.py:1", True)]


def test_an_import_for_type_checkers_does_not(tmp_path: Path) -> None:
    assert (
        made(tmp_path, a="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg import b\n", b="")[1:] == []
    )


def test_circles_are_found(tmp_path: Path) -> None:
    files = {
        "a": "import pkg.b\n",
        "b": "def f():\n    from pkg.c import x\n",
        "c": "from pkg import a\n",
        "d": "import pkg.a\n",
    }
    assert circles(made(tmp_path, **files)) == [["pkg.a", "pkg.b", "pkg.c"]]


def test_a_file_that_imports_from_its_own_package_is_a_circle(tmp_path: Path) -> None:
    assert circles(made(tmp_path, init="from pkg.a import x\n", a="from pkg import y\n")) == [["pkg", "pkg.a"]]
