from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from downloads import make_massachusetts_roads, save
from monai_cwmi.data import load_datalist, prepare_download

SECTIONS = ("training", "validation", "test")


def stems(folder: Path) -> list[list[str]]:
    return [[Path(case["image"]).stem for case in load_datalist(folder, section)] for section in SECTIONS]


def visible_road(source: Path, stem: str) -> int:
    """Road pixels of a photograph that are not purely white, counted one by one."""
    image = Image.open(source / "tiff" / "train" / f"{stem}.tiff")
    road = Image.open(source / "tiff" / "train_labels" / f"{stem}.tif")
    places = [(x, y) for x in range(image.width) for y in range(image.height)]
    return sum(road.getpixel(place) == 255 and image.getpixel(place) != (255, 255, 255) for place in places)


def test_120_are_drawn_of_the_300_with_most_road(tmp_path: Path) -> None:
    source = make_massachusetts_roads(tmp_path / "roads", count=340, size=(6, 5))
    sections = stems(prepare_download("massachusetts_roads", source, tmp_path / "cache"))
    assert list(map(len, sections)) == [72, 24, 24]
    drawn = set(itertools.chain(*sections))
    assert len(drawn) == 120
    roads = {path.stem: visible_road(source, path.stem) for path in (source / "tiff" / "train").iterdir()}
    # Equals are taken by name.
    candidates = sorted(sorted(roads), key=lambda stem: -roads[stem])[:300]
    assert drawn < set(candidates)
    # Drawn from all of them: of the last hundred 40 are expected, with a standard deviation of 4.
    assert 28 <= len(drawn & set(candidates[200:])) <= 52


def test_the_draw_is_the_same_every_time(tmp_path: Path) -> None:
    sources = [make_massachusetts_roads(tmp_path / name, count=130, size=(6, 5)) for name in "ab"]
    folders = [prepare_download("massachusetts_roads", source, tmp_path / "cache") for source in sources]
    assert folders[0] != folders[1]
    assert stems(folders[0]) == stems(folders[1])


def test_the_folders_of_the_source_are_read_like_those_of_copies(tmp_path: Path) -> None:
    copy = make_massachusetts_roads(tmp_path / "copy", size=(6, 5))
    source = shutil.copytree(copy / "tiff" / "train", tmp_path / "download" / "mass_roads" / "train" / "sat").parent
    shutil.copytree(copy / "tiff" / "train_labels", source / "map")
    folders = [
        prepare_download("massachusetts_roads", tmp_path / name, tmp_path / name) for name in ("copy", "download")
    ]
    files = [{path.relative_to(folder): path for path in folder.rglob("*.*")} for folder in folders]
    assert files[0].keys() == files[1].keys()
    assert all(files[0][name].read_bytes() == files[1][name].read_bytes() for name in files[0])


def test_neither_of_the_two_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no tiff/train/\*\.tiff and no train/sat/\*\.tiff in"):
        prepare_download("massachusetts_roads", tmp_path, tmp_path / "cache")


def test_files_are_what_they_were(tmp_path: Path) -> None:
    source = make_massachusetts_roads(tmp_path / "roads", size=(6, 5))
    folder = prepare_download("massachusetts_roads", source, tmp_path / "cache")
    for case in load_datalist(folder, "test"):
        stem = Path(case["image"]).stem
        image, road = (
            np.asarray(Image.open(source / "tiff" / name))
            for name in (f"train/{stem}.tiff", f"train_labels/{stem}.tif")
        )
        np.testing.assert_array_equal(np.asarray(Image.open(case["image"])), image)
        np.testing.assert_array_equal(np.asarray(Image.open(case["label"])), road == 255)


def test_labels_in_colour_are_read_too(tmp_path: Path) -> None:
    source = make_massachusetts_roads(tmp_path / "roads", size=(6, 5))
    road = np.zeros((6, 5), np.uint8)
    road[2:4] = 255
    for label in (source / "tiff" / "train_labels").iterdir():
        save(label, np.stack([road] * 3, -1))
    folder = prepare_download("massachusetts_roads", source, tmp_path / "cache")
    for case in load_datalist(folder, "validation"):
        np.testing.assert_array_equal(np.asarray(Image.open(case["label"])), road == 255)


def test_too_few_images_are_named(tmp_path: Path) -> None:
    source = make_massachusetts_roads(tmp_path / "roads", count=119, size=(2, 2))
    with pytest.raises(FileNotFoundError, match=r"tiff/train has 119 images only, of which 120 .*toronto\.edu"):
        prepare_download("massachusetts_roads", source, tmp_path / "cache")


@pytest.mark.parametrize(
    ("lost", "problem"),
    [
        ("tiff/train_labels/00007_15.tif", r"The image .*00007_15\.tiff has no label: there is no .*00007_15\.tif\."),
        ("tiff/train/00007_15.tiff", r"The label .*00007_15\.tif has no image"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, lost: str, problem: str) -> None:
    source = make_massachusetts_roads(tmp_path / "roads", size=(2, 2))
    (source / lost).unlink()
    with pytest.raises(FileNotFoundError, match=problem):
        prepare_download("massachusetts_roads", source, tmp_path / "cache")


def test_another_size_is_named(tmp_path: Path) -> None:
    source = make_massachusetts_roads(tmp_path / "roads", size=(6, 5))
    save(source / "tiff" / "train_labels" / "00007_15.tif", np.zeros((5, 6), np.uint8))
    with pytest.raises(ValueError, match=r"00007_15\.tif has 5 x 6 pixels and its image .*00007_15\.tiff has 6 x 5"):
        prepare_download("massachusetts_roads", source, tmp_path / "cache")
