"""Every code block of the README, the documentation and the model cards runs as it is printed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser

from monai_cwmi.comparison import load_contestants

from . import tables
from .commands import run
from .pages import ROOT, Block, find_blocks, find_commands, find_pages, read_page

PAGES = find_pages()
BLOCKS = [block for page in PAGES for block in find_blocks(page)]
RUN = {"bash", "python", "yaml", "json"}
SHOWN = {"text", "math"}  # output and formulas; a directive ({...}) is for the build of the documentation


def pages_with(*languages: str) -> list[str]:
    """Pages with such blocks, but for those with a test of their own."""
    return [
        page
        for page in PAGES
        if page not in tables.OWN_TESTS and any(b.page == page and b.language in languages for b in BLOCKS)
    ]


def bundle_of(page: str) -> str:
    """The bundle that a page is about."""
    parts = page.split("/")
    return parts[1] if parts[0] == "bundles" else tables.BUNDLES.get(page, tables.DEFAULT_BUNDLE)


def elsewhere(command: str) -> bool:
    """Whether another file runs a command; an error if it is said to, and does not."""
    for pattern, (file, piece) in tables.ELSEWHERE.items():
        match = re.fullmatch(pattern, command)
        if match:
            wanted = piece.format(*match.groups())
            assert wanted in (ROOT / file).read_text(), f"{file} has no {wanted!r}, which was to run: {command}"
            return True
    return False


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_each_block_has_a_language_that_somebody_runs(block: Block) -> None:
    assert block.language in RUN | SHOWN or re.fullmatch(r"\{[\w-]+\}.*", block.language), block


@pytest.mark.parametrize(("page", "file"), tables.OWN_TESTS.items())
def test_tests_of_a_page_read_it(page: str, file: str) -> None:
    assert f'"{Path(page).name}").read_text(' in (ROOT / file).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("python"))
def test_python(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, Any] = {"__name__": "page"}
    for block in find_blocks(page):
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), names)


def file_of(block: Block) -> str | None:
    """The file that a block of configuration is to be: its first line says so, or a table."""
    named = re.match(r"# (configs/\S+)\n", block.text)
    if named:
        return named[1]
    return next(
        (file for (page, piece), file in tables.FILES.items() if page == block.page and piece in block.text), None
    )


@pytest.mark.parametrize("page", pages_with("yaml", "json"))
def test_configuration(page: str, repository: Path) -> None:
    folder = repository / "bundles" / bundle_of(page)
    for block in find_blocks(page):
        if block.language not in ("yaml", "json"):
            continue
        content = json.loads(block.text) if block.language == "json" else yaml.safe_load(block.text)
        path = folder / (file_of(block) or f"configs/overlay.{block.language}")
        path.write_text(block.text)
        if any(page == name and piece in block.text for name, piece in tables.CATALOGUES):
            assert list(load_contestants([str(path)])) == list(content)
            continue
        parser = ConfigParser()
        parser.read_config([str(folder / "configs" / "train.json"), str(path)])
        parser["bundle_root"], parser["dataset_dir"] = str(folder), str(folder / "my_dataset")
        parser.parse()
        for key in content:
            entry = key.lstrip("+~").split("#")[0]
            assert parser.get_parsed_content(entry) is not None


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in pages_with("bash") if page not in tables.SAME_COMMANDS])
def test_commands(page: str, repository: Path) -> None:
    bundle = repository / "bundles" / bundle_of(page)
    folder = bundle if page.startswith("bundles/") else repository
    for block in find_blocks(page):
        file = file_of(block)
        if file and block.language in ("yaml", "json"):
            (bundle / file).write_text(block.text)
        if block.language != "bash":
            continue
        for command in find_commands(block):
            if command.startswith("cd "):
                folder = (folder / shlex.split(command)[1]).resolve()
                assert folder.is_relative_to(repository)
            elif not elsewhere(command):
                # A bundle's command outside of one is for the bundle that the page is about.
                inside = bundle if "monai.bundle" in command and folder == repository else folder
                (inside / "models").mkdir(exist_ok=True)
                run(command, inside, inside.name)


@pytest.mark.parametrize(("page", "other"), tables.SAME_COMMANDS.items())
def test_pages_with_the_same_commands(page: str, other: str) -> None:
    def commands(of: str) -> list[str]:
        found = [command for block in find_blocks(of) if block.language == "bash" for command in find_commands(block)]
        return [re.sub(r'--patch_size "\[\d+, \d+\]"', "", command) for command in found]

    assert commands(page) == commands(other)


@pytest.mark.parametrize("table", ["BUNDLES", "OWN_TESTS", "SAME_COMMANDS"])
def test_the_tables_name_pages(table: str) -> None:
    assert set(getattr(tables, table)) <= set(PAGES)


@pytest.mark.parametrize(("page", "piece"), [*tables.FILES, *tables.CATALOGUES])
def test_the_tables_name_blocks(page: str, piece: str) -> None:
    assert piece in read_page(page)


@pytest.mark.parametrize("pattern", [*tables.SHORTER, *tables.ELSEWHERE])
def test_the_tables_name_commands(pattern: str) -> None:
    commands = [command for block in BLOCKS if block.language == "bash" for command in find_commands(block)]
    search = re.fullmatch if pattern in tables.ELSEWHERE else re.search
    assert any(search(pattern, command) for command in commands)
