"""Pages that are made of the repository at each build, so that nothing is typed twice.

* The repository's own Markdown files outside of ``docs``: the model card of each bundle, with a table of its entries,
  CONTRIBUTING.md and CHANGELOG.md.
* The reference of the package, a page for each room.

They are written below ``docs`` and ignored by git. Links of all pages to the files above are turned to their pages.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path

import bundle_tables
from sphinx.application import Sphinx

import monai_cwmi

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BUNDLES = sorted(path.parents[1].name for path in ROOT.glob("bundles/*/configs/metadata.json"))
# Markdown files outside of docs, and the pages that they become.
PAGES = {ROOT / "README.md": DOCS / "index.md"}
COPIES = {
    ROOT / "CONTRIBUTING.md": DOCS / "contributing.md",
    ROOT / "CHANGELOG.md": DOCS / "changelog.md",
} | {ROOT / "bundles" / name / "docs" / "README.md": DOCS / "reference" / "bundles" / f"{name}.md" for name in BUNDLES}
# What else the docstrings of a room's public names refer to.
INNER = {
    "monai_cwmi": {"bands.pyramid": ["PyramidCoefficients"]},
    "monai_cwmi.benchmark": {"workload": [], "memory": []},
    "monai_cwmi.bands": {"moments": ["Moments", "PyramidMoments"], "spec": ["BandOptions"]},
    "monai_cwmi.losses": {"band_loss": ["BandLoss"], "preparation": []},
    "monai_cwmi.maps": {"transform": [], "critical_errors": [], "skeleton": []},
}
LINK = re.compile(r"(?<=\]\()(?!#|[a-z]+:)([^)#\s]+)(#[^)\s]*)?(?=\))")


def turn_links(text: str, source: Path, page: Path) -> str:
    """Relative links of a Markdown file, as they are to be where its text becomes a page."""

    def turn(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / link[1]))
        target = (PAGES | COPIES).get(target, target)
        return os.path.relpath(target, page.parent) + (link[2] or "")

    return LINK.sub(turn, text)


def write(page: Path, text: str) -> None:
    """Write a page that has changed; Sphinx then reads it anew."""
    if not page.is_file() or page.read_text() != text:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)


def room_page(name: str) -> str | None:
    """The reference of one room, or None if it has no public names."""
    names = getattr(importlib.import_module(name), "__all__", None)
    if name == "monai_cwmi.functional":
        names = ["conditional_entropy", "mutual_information", "measure_bands"]
    names = names or []
    if not names and name not in INNER:
        return None
    if name != "monai_cwmi":  # what the package itself offers stands on its page
        names = [each for each in names if each not in monai_cwmi.__all__]
    lines = [f"# `{name}`", "", *(automodule(name, names) if names else [])]
    for inner, inner_names in INNER.get(name, {}).items():
        lines += [f"## `{name}.{inner}`", "", *automodule(f"{name}.{inner}", inner_names)]
    return "\n".join(lines)


def automodule(name: str, names: Sequence[str]) -> list[str]:
    """The directive that writes the reference of a module: of all public members, or of some."""
    return ["```{eval-rst}", f".. automodule:: {name}", "   :members: " + ", ".join(names), "```", ""]


def generate(app: Sphinx) -> None:
    """Write all pages."""
    for source, page in COPIES.items():
        text = turn_links(source.read_text(), source, page)
        if page.parent.name == "bundles":
            text += bundle_tables.entries(source.parents[1])
        write(page, text)
    rooms = [module.name for module in pkgutil.walk_packages(monai_cwmi.__path__, "monai_cwmi.") if module.ispkg]
    for name in ("monai_cwmi", "monai_cwmi.functional", *rooms):
        text = room_page(name)
        if text is not None:
            write(DOCS / "reference" / "api" / f"{name}.md", text)


def on_read(app: Sphinx, docname: str, content: list[str]) -> None:
    """Turn the links of a page that a reader of the repository sees too."""
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".md" and path not in COPIES.values():
        content[0] = turn_links(content[0], path, path)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", generate)
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
