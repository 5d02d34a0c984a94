from __future__ import annotations

import ast
import importlib
import importlib.metadata
import sys
from types import ModuleType

import pytest

from monai_cwmi.nnunet import nnunet_problem, trainers_folder


def test_the_folder_holds_nothing_but_trainers() -> None:
    """nnU-Net imports every module in it, by its bare name."""
    modules = [path for path in trainers_folder().iterdir() if path.suffix == ".py" and path.stem != "__init__"]
    assert modules
    for module in modules:
        assert module.stem not in sys.stdlib_module_names
        tree = ast.parse(module.read_text())
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not any(node.level for node in imports), "a module of the top level has no relative imports"
        classes = [node for node in tree.body if not isinstance(node, (ast.Import, ast.ImportFrom, ast.Expr))]
        assert all(isinstance(node, ast.ClassDef) and node.name.startswith("nnUNetTrainer") for node in classes)


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        ("2.8.1", None),
        ("2.8", None),
        ("2.10.0", None),
        ("2.7.0", "nnU-Net 2.7.0 knows no nnUNet_extTrainer, which needs 2.8 or newer"),
        (None, "nnU-Net is not installed in this environment"),
    ],
)
def test_what_is_wrong_with_nnunet(version: str | None, problem: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(name: str) -> str:
        assert name == "nnunetv2"
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", installed)
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    expected = problem and f"{problem}: pip install 'monai-cwmi[nnunet]'"
    assert nnunet_problem() == expected


@pytest.mark.parametrize(
    "error", [RuntimeError("operator torchvision::nms does not exist\nmore"), ImportError("no"), OSError("x")]
)
def test_a_torchvision_that_does_not_load_is_named(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        assert name == "torchvision"
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"nnunetv2": "2.8", "torch": "2.13.0"}[name])
    problem = nnunet_problem()
    assert problem is not None
    first = str(error).splitlines()[0]
    assert problem.startswith(f"nnU-Net imports torchvision, which does not load ({type(error).__name__}: {first}).")
    assert "torch 2.13.0" in problem
    assert problem.endswith("pip install --force-reinstall --no-deps torchvision")
