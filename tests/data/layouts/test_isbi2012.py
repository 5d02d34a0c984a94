from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from downloads import make_isbi2012, rewrite_stack, save
from monai_cwmi.data import count_channels, load_class_names, load_datalist, prepare_download

SECTIONS = ("training", "validation", "test")


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("kind", ["stacks", "pictures"])
def test_membranes_are_what_is_no_cell(tmp_path: Path, kind: str, white: int) -> None:
    stacks = make_isbi2012(tmp_path / "stacks", white=white)
    images, cells = (tifffile.imread(stacks / f"train-{name}.tif") for name in ("volume", "labels"))
    folder = prepare_download("isbi2012", make_isbi2012(tmp_path / kind, kind=kind, white=white), tmp_path / "cache")
    assert load_class_names(folder) == ["background", "membrane"]
    assert count_channels(folder) == 1
    cases = [case for section in SECTIONS for case in load_datalist(folder, section, labelled=True)]
    for case, image, cell in zip(cases, images, cells, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(case["image"])), image)
        label = np.asarray(Image.open(case["label"]))
        np.testing.assert_array_equal(label, cell == 0)
        assert label.dtype == np.uint8


@pytest.mark.parametrize("kind", ["stacks", "pictures"])
def test_sections_are_slices_in_order(tmp_path: Path, kind: str) -> None:
    folder = prepare_download("isbi2012", make_isbi2012(tmp_path / "set", kind=kind), tmp_path / "cache")
    sections = [[Path(case["image"]).stem for case in load_datalist(folder, section)] for section in SECTIONS]
    names = [f"slice_{number:02d}" for number in range(30)]
    assert sections == [names[:16], names[16:20], names[20:]]
    # Two slices that follow each other are one patient, and no patient is in two sections.
    content = json.loads((folder / "dataset.json").read_text())
    blocks = [case["patient"] for section in SECTIONS for case in content[section]]
    assert blocks == [f"block_{number // 2:03d}" for number in range(30)]


def test_slices_without_membrane_or_cell(tmp_path: Path) -> None:
    source = make_isbi2012(tmp_path / "set", kind="pictures")
    save(source / "label" / "28.png", np.zeros((24, 20), np.uint8))
    save(source / "label" / "29.png", np.full((24, 20), 255, np.uint8))
    cases = load_datalist(prepare_download("isbi2012", source, tmp_path / "cache"), "test")
    assert np.asarray(Image.open(cases[8]["label"])).all()
    assert not np.asarray(Image.open(cases[9]["label"])).any()


@pytest.mark.parametrize("kind", ["stacks", "pictures"])
def test_the_folder_above_will_do_and_files_of_a_mac_are_passed_over(tmp_path: Path, kind: str) -> None:
    source = make_isbi2012(tmp_path / "downloads" / "isbi", kind=kind)
    expected = prepare_download("isbi2012", source, tmp_path / "cache")
    for path in [path for path in source.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"no image")
    assert prepare_download("isbi2012", source.parent, tmp_path / "cache") == expected


def test_an_empty_folder_says_where_to_obtain_it(tmp_path: Path) -> None:
    problem = r"no train-volume\.tif and no label/\*\.png in .* isbi2012 is obtained at https://"
    with pytest.raises(FileNotFoundError, match=problem):
        prepare_download("isbi2012", tmp_path, tmp_path / "cache")


@pytest.mark.parametrize(("kind", "label"), [("stacks", "train-labels.tif"), ("pictures", "label/7.png")])
def test_a_missing_label_is_named(tmp_path: Path, kind: str, label: str) -> None:
    source = make_isbi2012(tmp_path / "set", kind=kind)
    (source / label).unlink()
    with pytest.raises(FileNotFoundError, match=rf"there is no {source / label}.*obtained at https://"):
        prepare_download("isbi2012", source, tmp_path / "cache")


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    source = make_isbi2012(tmp_path / "set", kind="pictures")
    (source / "image" / "7.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"label \S*label/7\.png has no image.*obtained at https://"):
        prepare_download("isbi2012", source, tmp_path / "cache")


def test_a_name_of_no_slice_is_named(tmp_path: Path) -> None:
    source = make_isbi2012(tmp_path / "set", kind="pictures")
    for kind in ("image", "label"):
        (source / kind / "7.png").rename(source / kind / "mean.png")
    with pytest.raises(ValueError, match=r"name of \S*image/mean\.png is no number of a slice.* Move it elsewhere"):
        prepare_download("isbi2012", source, tmp_path / "cache")


def test_a_colour_picture_is_named(tmp_path: Path) -> None:
    source = make_isbi2012(tmp_path / "set", kind="pictures")
    save(source / "image" / "7.png", np.zeros((24, 20, 3), np.uint8))
    problem = r"image/7\.png is not a grey image of 8 bits; it holds uint8 of shape \(24, 20, 3\)\. Download it again"
    with pytest.raises(ValueError, match=problem):
        prepare_download("isbi2012", source, tmp_path / "cache")


def test_another_size_of_a_picture_is_named(tmp_path: Path) -> None:
    source = make_isbi2012(tmp_path / "set", kind="pictures")
    save(source / "label" / "7.png", np.zeros((24, 21), np.uint8))
    with pytest.raises(ValueError, match=r"label/7\.png has 24 x 21 pixels .*image/7\.png has 24 x 20"):
        prepare_download("isbi2012", source, tmp_path / "cache")


def test_another_number_of_pages_is_named(tmp_path: Path) -> None:
    source = make_isbi2012(tmp_path / "set")
    rewrite_stack(source, "labels", np.ones((29, 24, 20), np.uint8))
    problem = r"labels\.tif has shape \(29, 24, 20\) .*volume\.tif \(30, 24, 20\)\. Download both again"
    with pytest.raises(ValueError, match=problem):
        prepare_download("isbi2012", source, tmp_path / "cache")


@pytest.mark.parametrize(("shape", "dtype"), [((24, 20), "uint8"), ((30, 24, 20), "uint16")])
def test_no_stack_of_eight_bits_is_named(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    source = make_isbi2012(tmp_path / "set")
    rewrite_stack(source, "volume", np.ones(shape, dtype))
    with pytest.raises(ValueError, match=rf"volume\.tif is not a stack of grey images of 8 bits; it holds {dtype}"):
        prepare_download("isbi2012", source, tmp_path / "cache")


def test_too_few_slices_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Three sections cannot be made of 2 only: block_000, block_001"):
        prepare_download("isbi2012", make_isbi2012(tmp_path / "set", count=4), tmp_path / "cache")


@pytest.mark.parametrize("name", ["volume", "labels"])
@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.6])
def test_a_broken_stack_is_named(tmp_path: Path, name: str, share: float) -> None:
    broken = make_isbi2012(tmp_path / "set") / f"train-{name}.tif"
    content = broken.read_bytes()
    broken.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=rf"{broken} cannot be read as a stack of images.* Download it again"):
        prepare_download("isbi2012", tmp_path / "set", tmp_path / "cache")


@pytest.mark.parametrize("kind", ["image", "label"])
def test_a_broken_picture_is_named(tmp_path: Path, kind: str) -> None:
    broken = make_isbi2012(tmp_path / "set", kind="pictures") / kind / "7.png"
    broken.write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{broken} cannot be read as an image.* Download it again, .*remove \S*"):
        prepare_download("isbi2012", tmp_path / "set", tmp_path / "cache")
