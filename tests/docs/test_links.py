"""Relative links of all pages lead to files and headings that are there. What is beyond the repository is not asked."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from .pages import ROOT, find_pages, read_page

LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]*))?\)")
FENCED = re.compile(r"^( *)(`{3,}).*?^\1\2$", re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The anchors that code hosts give to the headings of a page."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in re.findall(r"^#+ +(.*)$", FENCED.sub("", page.read_text()), flags=re.M):
        slug = (
            re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).strip().replace(" ", "-")
        )
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def broken(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    lost = []
    for path, anchor in LINK.findall(FENCED.sub("", page.read_text())):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            lost.append(f"{path}#{anchor}")
    return lost


@pytest.mark.parametrize("page", find_pages())
def test_links(page: str) -> None:
    assert not broken(ROOT / page)
    assert read_page(page).endswith("\n")


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Head line\n[a](#head-line) [b](#other) [c](page.md) [d](gone.md) [e](page.md#head-line)\n")
    assert broken(page) == ["#other", "gone.md#"]


@pytest.mark.parametrize(
    "source", sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("monai_cwmi/**/*.py"))
)
def test_pages_that_docstrings_name(source: str) -> None:
    for name in re.findall(r"``(docs/[\w/.-]+)``", (ROOT / source).read_text()):
        assert (ROOT / name).is_file()
