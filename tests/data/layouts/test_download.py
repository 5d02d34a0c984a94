from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from downloads import save
from monai_cwmi.data.layouts.download import Pair, find_root, list_files, pair_files, read_mask, split_pairs


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_download_begins_in_the_folder_or_one_below(tmp_path: Path) -> None:
    touch(tmp_path, "above/set/images/a.tif", "above/notes.txt")
    for folder in (tmp_path / "above", tmp_path / "above" / "set"):
        assert find_root(folder, "images/*.tif") == tmp_path / "above" / "set"
    with pytest.raises(FileNotFoundError, match=r"no images/\*\.tif in"):
        find_root(tmp_path, "images/*.tif")


def test_files_come_in_order_and_hidden_ones_do_not(tmp_path: Path) -> None:
    touch(tmp_path, "b.tif", "a.tif", "._a.tif", "c.txt")
    assert list_files(tmp_path, "*.tif") == [tmp_path / "a.tif", tmp_path / "b.tif"]


def test_pairs_must_be_complete() -> None:
    images, labels = ([Path(f"{kind}{number}") for number in range(3)] for kind in ("image", "label"))
    expected = dict(zip(images, labels, strict=True))
    assert pair_files(expected, labels[::-1], "part") == [Pair(*pair, "part") for pair in expected.items()]
    with pytest.raises(FileNotFoundError, match="The image image1 has no label: there is no label1"):
        pair_files(expected, [labels[0], labels[2]])
    with pytest.raises(FileNotFoundError, match="The label label0 has no image"):
        pair_files({images[1]: labels[1], images[2]: labels[2]}, labels)


def test_a_split_is_complete_and_depends_on_names_alone() -> None:
    names = [f"{number:02d}" for number in range(20)]
    fractions = {"training": 0.75, "test": 0.25}
    here = split_pairs([Pair(Path("here") / name, Path("x")) for name in names], fractions)
    there = split_pairs([Pair(Path("there") / name, Path("y")) for name in names], fractions)
    stems = {section: [pair.image.stem for pair in pairs] for section, pairs in here.items()}
    assert {section: len(part) for section, part in stems.items()} == {"training": 15, "test": 5}
    assert sorted(itertools.chain(*stems.values())) == names
    assert stems == {section: [pair.image.stem for pair in pairs] for section, pairs in there.items()}


@pytest.mark.parametrize("white", [1, 2, 128, 255])
def test_a_mask_is_read_whatever_number_is_white(tmp_path: Path, white: int) -> None:
    mask = np.eye(3, 5, dtype=np.uint8)
    save(tmp_path / "mask.png", mask * np.uint8(white))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), mask == 1)


def test_grey_edges_of_a_mask_go_to_the_nearer_side(tmp_path: Path) -> None:
    save(tmp_path / "mask.png", np.array([[0, 100, 127, 128, 200, 255]], np.uint8))
    assert read_mask(tmp_path / "mask.png").tolist() == [[False, False, False, True, True, True]]


def test_an_empty_and_a_full_mask(tmp_path: Path) -> None:
    save(tmp_path / "empty.png", np.zeros((2, 3), np.uint8))
    save(tmp_path / "full.png", np.full((2, 3), 255, np.uint8))
    assert not read_mask(tmp_path / "empty.png").any()
    assert read_mask(tmp_path / "full.png").all()
