"""Who imports whom in the two folders that compare losses: what they cost, and what they achieve."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import monai_cwmi

from .conftest import MakeResults

ROOT = Path(monai_cwmi.__file__).parent
ROOMS = ("benchmark", "comparison")

# The process that trains and scores, and whoever prepares it, may need these; who reads finished results may not.
TRAINING = ("cell", "scoring", "trained_bundle")

# Reports on what a process imports: by this package itself, and not by what it imports.
WATCH = """
import builtins, sys

original = builtins.__import__
imported = set()


def watch(name, globals=None, locals=None, fromlist=(), level=0):
    importer = str((globals or {}).get("__name__", ""))
    if importer.startswith("monai_cwmi") and not level:
        imported.add(name)
        imported.update(f"{name}.{each}" for each in fromlist or ())
    return original(name, globals, locals, fromlist, level)


builtins.__import__ = watch
"""


def _modules(room: str) -> dict[str, Path]:
    return {f"monai_cwmi.{room}.{path.stem}": path for path in (ROOT / room).glob("[!_]*.py")}


def _imports(path: Path) -> set[str]:
    """All modules that a file imports when it runs, also inside of functions."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room: str) -> None:
    modules = _modules(room)
    assert len(modules) > 5
    graph = {name: _imports(path) & modules.keys() for name, path in modules.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)  # raises CycleError


def test_costs_do_not_depend_on_results() -> None:
    for path in _modules("benchmark").values():
        assert not {name for name in _imports(path) if name.startswith("monai_cwmi.comparison")}


@pytest.mark.parametrize("module", ["contestant_names", "cost_charts", "cost_files", "cost_tables", "timings"])
def test_tables_and_charts_of_costs_do_without_the_losses(module: str) -> None:
    modules = _modules("benchmark")
    seen, new = set[str](), {f"monai_cwmi.benchmark.{module}"}
    while new:
        seen |= new
        new = {each for name in new for each in _imports(modules[name]) & modules.keys()} - seen
    assert "monai_cwmi.benchmark.contestants" not in seen
    assert not {each for name in seen for each in _imports(modules[name]) if each.startswith("monai_cwmi.losses")}


def _run(lines: str) -> set[str]:
    """What this package itself imports when these lines run, and which modules of the training are loaded."""
    report = 'print("\\n".join(["", "imported:", *imported, *(name for name in sys.modules if "cwmi" in name)]))'
    result = subprocess.run(
        [sys.executable, "-c", f"{WATCH}\n{lines}\n{report}"], capture_output=True, text=True, check=True, timeout=120
    )
    return set(result.stdout.split("imported:\n")[1].split())


def _heavy(imported: set[str]) -> set[str]:
    ours = {f"monai_cwmi.comparison.{name}" for name in TRAINING}
    packages = ("ignite", "monai.handlers", "monai.engines", "monai_cwmi.training", "monai_cwmi.metrics")
    return {name for name in imported if name in ours or name.startswith(packages)}


def test_a_report_of_finished_results_does_without_the_training(make_results: MakeResults) -> None:
    out = make_results(["CE", "CWMI"], seeds=[0], folds=1, metrics=["miou"])
    imported = _run(f"from monai_cwmi.comparison.report import write_report\nwrite_report({str(out)!r})")
    assert (out / "report.html").is_file()
    # The whole room is imported with it, but for the training.
    assert {f"monai_cwmi.comparison.{name}" for name in ("paired_tests", "plan", "result_tables", "runner")} <= imported
    assert not _heavy(imported)


def test_the_training_is_seen_where_it_is_needed() -> None:
    heavy = _heavy(_run("import monai_cwmi.comparison.cell"))
    assert {"ignite.engine", "monai.handlers", "monai_cwmi.training", "monai_cwmi.comparison.scoring"} <= heavy
