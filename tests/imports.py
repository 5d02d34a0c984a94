"""Who imports whom, read from the source: imports inside functions count, those for type checkers do not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Import(NamedTuple):
    """One import: ``where`` is a module, ``what`` the module that it imports, ``at`` file and line."""

    where: str
    what: str
    at: str
    is_top_level: bool


def read_imports(package: Path) -> list[Import]:
    """All imports of a package's files, of its own modules and of others'."""
    files = {module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    found = []
    for where, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node, is_top_level in _import_nodes(tree):
            for what in _targets(node, files):
                place = f"{path.relative_to(package.parent)}:{node.lineno}"
                found.append(Import(where, what, place, is_top_level))
    return found


def module_name(path: Path, package: Path) -> str:
    """``package.room.file`` of a file; of an ``__init__.py`` the package itself."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(imports: list[Import]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others."""
    graph: dict[str, set[str]] = {}
    own = {each.where for each in imports}
    for each in imports:
        if each.what in own and each.what != each.where:
            graph.setdefault(each.where, set()).add(each.what)
    reach = {start: _reachable(graph, start) for start in graph}
    groups = {
        tuple(sorted({start, *(other for other in reached if start in reach.get(other, ()))}))
        for start, reached in reach.items()
        if start in reached
    }
    return [list(group) for group in sorted(groups)]


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for following in graph.get(todo.pop(), set()) - seen:
            seen.add(following)
            todo.append(following)
    return seen


def _import_nodes(tree: ast.AST, is_top_level: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, is_top_level
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        else:
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _import_nodes(node, is_top_level and not inside)


def _targets(node: ast.Import | ast.ImportFrom, files: dict[str, Path]) -> list[str]:
    """The modules that a statement imports: of ``from package import file`` the file, of another name the package."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.module is not None
    assert node.level == 0  # ruff's rules and the project's: absolute imports only
    whole = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name if name in files else node.module for name in whole]
