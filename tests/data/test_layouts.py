from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from downloads import (
    make_chase_db1,
    make_drive,
    make_dsb2018,
    make_glas,
    make_isbi2012,
    make_massachusetts_roads,
    make_snemi3d,
    save,
)
from monai_cwmi.data import (
    DOWNLOADS,
    cache,
    count_channels,
    load_class_names,
    load_datalist,
    prepare_download,
)

MAKERS: dict[str, Callable[[Path], Path]] = {
    "drive": make_drive,
    "glas": make_glas,
    "snemi3d": make_snemi3d,
    "massachusetts_roads": make_massachusetts_roads,
    "chase_db1": make_chase_db1,
    "isbi2012": make_isbi2012,
    "dsb2018": make_dsb2018,
}
CLASSES = {
    "drive": ["background", "vessel"],
    "glas": ["gland", "between"],
    "snemi3d": ["background", "membrane"],
    "massachusetts_roads": ["background", "road"],
    "chase_db1": ["background", "vessel"],
    "isbi2012": ["background", "membrane"],
    "dsb2018": ["background", "nucleus"],
}
SECTIONS = ("training", "validation", "test")


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    return make_drive(tmp_path / "DRIVE", count=5)


def test_every_layout_is_tested() -> None:
    assert MAKERS.keys() == CLASSES.keys() == DOWNLOADS.keys()


@pytest.mark.parametrize("name", MAKERS)
def test_a_download_becomes_a_data_set(tmp_path: Path, name: str) -> None:
    source = MAKERS[name](tmp_path / "unpacked")
    folder = prepare_download(name, source, tmp_path / "cache")
    assert folder.parent == tmp_path / "cache"
    content = json.loads((folder / "dataset.json").read_text())
    assert content["name"] == name
    assert {"description", "reference", "licence", "label_origin", "section_origin"} <= content.keys()
    assert load_class_names(folder) == CLASSES[name]
    files = []
    for section in SECTIONS:
        for case in load_datalist(folder, section, labelled=True):
            image, label = (np.asarray(Image.open(case[key])) for key in ("image", "label"))
            assert image.shape == label.shape + ((3,) if count_channels(folder) == 3 else ())
            assert image.dtype == label.dtype == np.uint8
            assert set(np.unique(label)) <= {0, 1}
            files += [case["image"], case["label"]]
    assert len(files) == len(set(files)) == sum(path.suffix == ".png" for path in folder.rglob("*"))


@pytest.mark.parametrize("name", MAKERS)
def test_the_folder_above_will_do(tmp_path: Path, name: str) -> None:
    source = MAKERS[name](tmp_path / "downloads" / "as it unpacks (Released)")
    expected = prepare_download(name, source, tmp_path / "cache")
    assert prepare_download(name, tmp_path / "downloads", tmp_path / "cache") == expected


@pytest.mark.parametrize("name", MAKERS)
def test_files_of_a_mac_are_passed_over(tmp_path: Path, name: str) -> None:
    source = MAKERS[name](tmp_path / "downloads" / "unpacked")
    for path in [path for path in source.rglob("*") if path.is_file()]:
        beside = tmp_path / "downloads" / "__MACOSX" / path.relative_to(source).parent / f"._{path.name}"
        beside.parent.mkdir(parents=True, exist_ok=True)
        for hidden in (beside, path.with_name(f"._{path.name}")):
            hidden.write_bytes(b"no image")
    assert load_datalist(prepare_download(name, tmp_path / "downloads", tmp_path / "cache"), "test")


@pytest.mark.parametrize("name", MAKERS)
def test_an_empty_folder_says_where_to_obtain_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=rf"There is no \S+.* in {tmp_path}/empty.* {name} .*at https://"):
        prepare_download(name, tmp_path / "empty", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"no training/images/\*\.tif in {tmp_path}/nowhere"):
        prepare_download("drive", tmp_path / "nowhere", tmp_path)


def test_several_downloads_are_named(tmp_path: Path) -> None:
    for name in ("old", "new"):
        make_glas(tmp_path / name)
    with pytest.raises(ValueError, match=rf"several downloads: {tmp_path}/new, {tmp_path}/old"):
        prepare_download("glas", tmp_path, tmp_path / "cache")


def test_an_unknown_name_is_named(tmp_path: Path) -> None:
    for name in ("heart", ["drive", "heart"]):
        with pytest.raises(ValueError, match="no layout of a download named 'heart'; there are: drive, glas"):
            prepare_download(name, tmp_path)


@pytest.mark.parametrize("names", [["drive", "chase_db1"], ["snemi3d", "isbi2012"], list(MAKERS)])
def test_which_of_several_it_is_tell_its_files(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        source = MAKERS[name](tmp_path / name)
        expected = prepare_download(name, source, tmp_path / "cache")
        assert prepare_download(names, source, tmp_path / "cache") == expected


def test_none_of_several_says_what_was_looked_for(tmp_path: Path) -> None:
    make_glas(tmp_path / "glas")
    searched = r"no training/images/\*\.tif and no Image_\*_1stHO\.png in \S*/glas"
    with pytest.raises(
        FileNotFoundError, match=rf"{searched}, .*drive or chase_db1 .* at https://drive\S* or https://"
    ):
        prepare_download(["drive", "chase_db1"], tmp_path / "glas", tmp_path / "cache")


def test_several_of_several_are_refused(drive: Path, tmp_path: Path) -> None:
    names = ["drive", "chase_db1"]
    make_chase_db1(tmp_path / "CHASE")
    with pytest.raises(ValueError, match=rf"several downloads: {tmp_path}/CHASE, {tmp_path}/DRIVE\. Give one"):
        prepare_download(names, tmp_path, tmp_path / "cache")
    make_chase_db1(drive)
    with pytest.raises(ValueError, match=rf"{drive} holds several data sets: drive, chase_db1\. Put each into"):
        prepare_download(names, drive, tmp_path / "cache")


def test_what_is_missing_of_one_of_several_is_its_own(drive: Path, tmp_path: Path) -> None:
    (drive / "training" / "1st_manual" / "21_manual1.gif").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no label: .* The data set drive is obtained at \S+\.$"):
        prepare_download(["chase_db1", "drive"], drive, tmp_path / "cache")


def test_a_second_call_does_nothing(drive: Path, tmp_path: Path) -> None:
    folder = prepare_download("drive", drive, tmp_path / "cache")
    before = folder.stat().st_mtime_ns
    assert prepare_download("drive", str(drive), tmp_path / "cache") == folder
    assert folder.stat().st_mtime_ns == before
    assert os.listdir(tmp_path / "cache") == [folder.name]


def test_a_changed_download_is_prepared_anew(drive: Path, tmp_path: Path) -> None:
    folders = [prepare_download("drive", drive, tmp_path / "cache")]
    changed = drive / "training" / "1st_manual" / "21_manual1.gif"
    Image.fromarray(np.full((24, 20), 255, np.uint8)).save(changed)
    folders.append(prepare_download("drive", drive, tmp_path / "cache"))
    # Of the same size, and written at another time.
    os.utime(changed, ns=(0, 0))
    folders.append(prepare_download("drive", drive, tmp_path / "cache"))
    assert len(set(folders)) == 3
    labels = [next((folder / "labelsTr").glob("21_*")).read_bytes() for folder in folders]
    assert labels[0] != labels[1] == labels[2]


def test_another_download_is_told_from_this_one(drive: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(drive, other)
    # Other pixels in a file of the same name, size and time.
    image = other / "test" / "images" / "01_test.tif"
    status, pixels = image.stat(), np.asarray(Image.open(image))
    Image.fromarray(255 - pixels).save(image)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert image.stat().st_size == status.st_size
    folders = [prepare_download("drive", source, tmp_path / "cache") for source in (drive, other)]
    first, second = (np.asarray(Image.open(folder / "imagesTs" / "01_test.png")) for folder in folders)
    np.testing.assert_array_equal(first, pixels)
    np.testing.assert_array_equal(second, 255 - pixels)


def test_what_is_not_needed_changes_nothing(drive: Path, tmp_path: Path) -> None:
    second = drive / "training" / "2nd_manual" / "21_manual2.gif"
    save(second, np.zeros((24, 20), np.uint8))
    folder = prepare_download("drive", drive, tmp_path / "cache")
    (drive / "notes.txt").touch()
    second.unlink()
    assert prepare_download("drive", drive, tmp_path / "cache") == folder


def test_the_default_is_the_cache_of_the_samples(drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "elsewhere"))
    assert prepare_download("drive", drive).parent == tmp_path / "elsewhere"


def test_a_failure_leaves_nothing(drive: Path, tmp_path: Path) -> None:
    broken = drive / "test" / "images" / "05_test.tif"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(ValueError, match=rf"{broken} cannot be read as an image"):
        prepare_download("drive", drive, tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []
