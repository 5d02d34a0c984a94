"""The Markdown pages of the repository, and the fenced blocks and links in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
GENERATED = (
    "docs/_build/",
    "docs/reference/api/",
    "docs/reference/bundles/",
    "docs/contributing.md",
    "docs/changelog.md",
)
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[^`\n]*)\n(?P<text>.*?)^(?P=indent)(?P=fence)$", re.M | re.S
)


class Block(NamedTuple):
    """One fenced block."""

    page: str  # path from the root of the repository
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def find_pages() -> list[str]:
    """All pages that people wrote."""
    patterns = ("*.md", "docs/**/*.md", "bundles/*/docs/*.md")
    paths = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(path for path in paths if not path.startswith(GENERATED))


def read_page(page: str) -> str:
    return (ROOT / page).read_text()


def find_blocks(page: str) -> list[Block]:
    """The blocks of a page, without the indent of lists."""
    text = read_page(page)
    blocks = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        blocks.append(
            Block(page, line, match["language"].strip(), re.sub(f"^{match['indent']}", "", match["text"], flags=re.M))
        )
    return blocks


def find_commands(block: Block) -> list[str]:
    """The commands of a ``bash`` block: one line each, without comments."""
    lines = re.sub(r"\\\n\s*", "", block.text).splitlines()
    stripped = (re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines)
    return [line for line in stripped if line]
