from __future__ import annotations

from pathlib import Path

import pytest

from monai_cwmi.comparison.cell_files import Cell, cell_folder, partial_folder


@pytest.mark.parametrize("name", ["CE", "Skea-topo", "a_b", "v1.2"])
def test_a_plain_name_is_the_folder(name: str) -> None:
    assert cell_folder(Path("out"), Cell(name, 1, 2)) == Path("out/cells", name, "fold1_seed2")


def test_no_two_losses_share_a_folder_and_none_is_elsewhere() -> None:
    names = ["a b", "a_b", "a/b", "a\\b", "..", ".", "a.", "a", "_", "../a", "\u03b1"]
    folders = [cell_folder(Path("out"), Cell(name, 0, 0)) for name in names]
    assert len(set(folders)) == len(names)
    for folder in folders:
        assert folder.parent.parent == Path("out/cells")
        assert folder.parent.name not in ("", ".", "..")


def test_a_training_works_beside_its_folder() -> None:
    cell = Cell("v1.2", 0, 3)
    assert partial_folder(Path("out"), cell) == Path("out/cells/v1.2/fold0_seed3.partial")
