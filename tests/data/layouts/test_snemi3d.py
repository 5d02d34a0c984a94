from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tifffile
from PIL import Image

from downloads import make_snemi3d
from monai_cwmi.data import load_datalist, prepare_download

SECTIONS = ("training", "validation", "test")


def membranes(numbers: np.ndarray) -> np.ndarray:
    """Pixel by pixel: 1 where there is no neurite, or a neighbour across an edge is of another, else 0."""
    label = np.zeros(numbers.shape, np.uint8)
    for row, column in np.ndindex(numbers.shape):
        places = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        inside = [place for place in places if 0 <= place[0] < numbers.shape[0] and 0 <= place[1] < numbers.shape[1]]
        differs = any(numbers[place] != numbers[row, column] for place in inside)
        label[row, column] = differs or numbers[row, column] == 0
    return label


def pages(folder: Path, section: str) -> list[int]:
    return [int(Path(case["image"]).stem.removeprefix("page_")) for case in load_datalist(folder, section)]


@pytest.mark.parametrize(("dtype", "byteorder"), [("uint16", "<"), ("uint16", ">"), ("uint32", "<"), ("uint32", ">")])
def test_pages_become_images_and_borders_membranes(tmp_path: Path, dtype: str, byteorder: Literal["<", ">"]) -> None:
    source = make_snemi3d(tmp_path, pages=10, dtype=dtype, byteorder=byteorder)
    images, neurites = (tifffile.imread(source / f"train-{name}.tif") for name in ("input", "labels"))
    folder = prepare_download("snemi3d", source, tmp_path / "cache")
    cases = [case for section in SECTIONS for case in load_datalist(folder, section)]
    for case, image, numbers in zip(cases, images, neurites, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(case["image"])), image)
        np.testing.assert_array_equal(np.asarray(Image.open(case["label"])), membranes(numbers))


@pytest.mark.parametrize(("count", "sizes"), [(10, (7, 1, 2)), (20, (14, 2, 4)), (100, (70, 10, 20)), (37, (26, 4, 7))])
def test_sections_are_blocks_of_pages(tmp_path: Path, count: int, sizes: tuple[int, int, int]) -> None:
    folder = prepare_download("snemi3d", make_snemi3d(tmp_path, pages=count, size=(4, 8)), tmp_path / "cache")
    sections = [pages(folder, section) for section in SECTIONS]
    assert tuple(map(len, sections)) == sizes
    assert list(itertools.chain(*sections)) == list(range(count))
    # Ten blocks of pages that follow each other, none of them in two sections.
    content = json.loads((folder / "dataset.json").read_text())
    blocks = [case["patient"] for section in SECTIONS for case in content[section]]
    assert blocks == sorted(blocks)
    assert len(set(blocks)) == 10
    assert max(map(blocks.count, blocks)) - min(map(blocks.count, blocks)) <= 1
    assert sum(len({case["patient"] for case in content[section]}) for section in SECTIONS) == 10


def rewrite(folder: Path, name: str, array: np.ndarray) -> None:
    tifffile.imwrite(folder / f"train-{name}.tif", array, photometric="minisblack")


def test_another_number_of_pages_is_named(tmp_path: Path) -> None:
    source = make_snemi3d(tmp_path)
    rewrite(source, "labels", np.ones((19, 24, 20), np.uint16))
    with pytest.raises(
        ValueError, match=r"train-labels\.tif has shape \(19, 24, 20\) .*train-input\.tif \(20, 24, 20\)"
    ):
        prepare_download("snemi3d", source, tmp_path / "cache")


def test_another_size_is_named(tmp_path: Path) -> None:
    source = make_snemi3d(tmp_path)
    rewrite(source, "labels", np.ones((20, 24, 24), np.uint16))
    with pytest.raises(
        ValueError, match=r"train-labels\.tif has shape \(20, 24, 24\) .*train-input\.tif \(20, 24, 20\)"
    ):
        prepare_download("snemi3d", source, tmp_path / "cache")


def test_too_few_pages_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train-input\.tif is not a stack of 10 or more .*shape \(9, 24, 20\)"):
        prepare_download("snemi3d", make_snemi3d(tmp_path, pages=9), tmp_path / "cache")


def test_images_of_sixteen_bits_are_named(tmp_path: Path) -> None:
    source = make_snemi3d(tmp_path)
    rewrite(source, "input", np.ones((20, 24, 20), np.uint16))
    with pytest.raises(ValueError, match=r"train-input\.tif is not .* grey images of 8 bits; it holds uint16"):
        prepare_download("snemi3d", source, tmp_path / "cache")


def test_missing_labels_are_named(tmp_path: Path) -> None:
    source = make_snemi3d(tmp_path)
    (source / "train-labels.tif").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no \S*train-labels\.tif.*snemi3d\.grand-challenge"):
        prepare_download("snemi3d", source, tmp_path / "cache")


@pytest.mark.parametrize("name", ["input", "labels"])
@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.6])
def test_a_broken_stack_is_named(tmp_path: Path, name: str, share: float) -> None:
    broken = make_snemi3d(tmp_path) / f"train-{name}.tif"
    content = broken.read_bytes()
    broken.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=rf"{broken} cannot be read as a stack of images"):
        prepare_download("snemi3d", tmp_path, tmp_path / "cache")
