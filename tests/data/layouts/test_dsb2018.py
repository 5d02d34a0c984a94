from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.measure import label as find_components

from downloads import make_dsb2018, save
from monai_cwmi.data import count_channels, load_class_names, load_datalist, prepare_download
from monai_cwmi.data.layouts.dsb2018 import separate_nuclei

SECTIONS = ("training", "validation", "test")


def separated(numbers: np.ndarray) -> np.ndarray:
    """Pixel by pixel: 1 where there is a nucleus and none of the eight neighbours is of another, else 0."""
    label = np.zeros(numbers.shape, np.uint8)
    for row, column in np.ndindex(numbers.shape):
        around = numbers[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        label[row, column] = numbers[row, column] > 0 and set(around.flat) <= {0, numbers[row, column]}
    return label


def read_all(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    cases = [case for section in SECTIONS for case in load_datalist(folder, section, labelled=True)]
    return {
        Path(case["image"]).stem: (np.asarray(Image.open(case["image"])), np.asarray(Image.open(case["label"])))
        for case in cases
    }


def test_nuclei_that_touch_are_separated() -> None:
    rows = ["111222", "111222", "000000", "330055", "330055", "004400", "004400"]
    expected = ["110011", "110011", "000000", "110011", "100001", "000000", "001100"]
    numbers = np.array([list(map(int, row)) for row in rows])
    label = separate_nuclei(numbers.astype(np.uint16))
    assert ["".join(map(str, row)) for row in label] == expected
    assert label.dtype == np.uint8
    assert find_components(label, connectivity=1).max() == 5


@pytest.mark.parametrize("seed", range(5))
def test_no_component_is_of_two_nuclei(seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, 5, (6, 7)).repeat(3, 0).repeat(4, 1).astype(np.uint16)
    label = separate_nuclei(numbers)
    np.testing.assert_array_equal(label, separated(numbers))
    components = find_components(label, connectivity=1)
    assert all(len(set(numbers[components == index])) == 1 for index in range(1, components.max() + 1))


def test_numbers_become_nuclei_and_images_colour_in_order(tmp_path: Path) -> None:
    source = make_dsb2018(tmp_path / "set")
    folder = prepare_download("dsb2018", source, tmp_path / "cache")
    assert load_class_names(folder) == ["background", "nucleus"]
    assert count_channels(folder) == 3
    cases = read_all(folder)
    assert list(cases) == [f"nuclei_{index:03d}" for index in range(12)]
    assert [len(load_datalist(folder, section)) for section in SECTIONS] == [6, 2, 4]
    for index, (stem, (image, label)) in enumerate(cases.items()):
        original = np.asarray(Image.open(source / "images" / f"{stem}.png"))
        expected = original[..., :3] if index % 3 else np.stack([original] * 3, -1)  # alpha is left out
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_array_equal(label, separated(np.asarray(Image.open(source / "labels" / f"{stem}.png"))))
        assert image.dtype == label.dtype == np.uint8


def test_masks_are_read_like_numbers(tmp_path: Path) -> None:
    sources = [make_dsb2018(tmp_path / kind, kind=kind) for kind in ("numbers", "masks")]
    numbers, masks = (read_all(prepare_download("dsb2018", source, tmp_path / "cache")) for source in sources)
    assert list(numbers) == list(masks)
    for stem, arrays in numbers.items():
        for array, other in zip(arrays, masks[stem], strict=True):
            np.testing.assert_array_equal(array, other)


def test_pixels_of_two_masks_are_background(tmp_path: Path) -> None:
    source = make_dsb2018(tmp_path / "set", count=3, size=(5, 12), kind="masks")
    masks = source / "nuclei_000" / "masks"
    shutil.rmtree(masks)
    for name, columns in {"a": slice(0, 6), "b": slice(4, 10)}.items():
        mask = np.zeros((5, 12), np.uint8)
        mask[:, columns] = 255
        save(masks / f"{name}.png", mask)
    label = read_all(prepare_download("dsb2018", source, tmp_path / "cache"))["nuclei_000"][1]
    assert label.tolist() == [[1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0]] * 5


@pytest.mark.parametrize("kind", ["numbers", "masks"])
def test_the_folder_above_will_do_and_files_of_a_mac_are_passed_over(tmp_path: Path, kind: str) -> None:
    source = make_dsb2018(tmp_path / "downloads" / "stage1_train", kind=kind)
    expected = prepare_download("dsb2018", source, tmp_path / "cache")
    for path in [path for path in source.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"no image")
    assert prepare_download("dsb2018", source.parent, tmp_path / "cache") == expected


def test_a_changed_mask_makes_another_data_set(tmp_path: Path) -> None:
    source = make_dsb2018(tmp_path / "set", kind="masks")
    folder = prepare_download("dsb2018", source, tmp_path / "cache")
    save(source / "nuclei_003" / "masks" / "new.png", np.eye(24, 20, dtype=np.uint8))
    assert prepare_download("dsb2018", source, tmp_path / "cache") != folder


def test_an_empty_folder_says_where_to_obtain_it(tmp_path: Path) -> None:
    problem = r"no labels/\*\.png and no \*/masks/\*\.png in .* dsb2018 is obtained at https://"
    with pytest.raises(FileNotFoundError, match=problem):
        prepare_download("dsb2018", tmp_path, tmp_path / "cache")


@pytest.mark.parametrize(
    ("kind", "missing", "problem"),
    [
        ("numbers", "labels/nuclei_003.png", r"image \S*003\.png has no label: there is no \S*labels/nuclei_003\.png"),
        ("numbers", "images/nuclei_003.png", r"label \S*labels/nuclei_003\.png has no image"),
        ("masks", "nuclei_003/masks", r"image \S*003\.png has no masks: .* only stage1_train has masks; keep other"),
        ("masks", "nuclei_003/images", r"masks in \S*nuclei_003/masks have no image: there is no \S*images/nuclei_003"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, kind: str, missing: str, problem: str) -> None:
    path = make_dsb2018(tmp_path / "set", kind=kind) / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{problem}.*obtained at https://"):
        prepare_download("dsb2018", tmp_path / "set", tmp_path / "cache")


@pytest.mark.parametrize("label", [True, False])
def test_an_empty_image_is_named_with_or_without_its_label(tmp_path: Path, label: bool) -> None:
    source = make_dsb2018(tmp_path / "set")
    broken = source / "images" / "nuclei_003.png"
    broken.write_bytes(b"")
    if not label:
        (source / "labels" / "nuclei_003.png").unlink()
    remedy = rf"Download it again, .*remove {broken} and {source}/labels/nuclei_003\.png"
    with pytest.raises(ValueError, match=rf"{broken} cannot be read as an image: the file is empty\. {remedy}"):
        prepare_download("dsb2018", source, tmp_path / "cache")
    broken.unlink()
    (source / "labels" / "nuclei_003.png").unlink(missing_ok=True)
    assert len(read_all(prepare_download("dsb2018", source, tmp_path / "cache"))) == 11


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("numbers", "images/nuclei_003.png"),
        ("numbers", "labels/nuclei_003.png"),
        ("masks", "nuclei_003/images/nuclei_003.png"),
        ("masks", "nuclei_003/masks/2.png"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, kind: str, name: str) -> None:
    broken = make_dsb2018(tmp_path / "set", kind=kind) / name
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(ValueError, match=rf"{broken} cannot be read as an image.* Download it again, .*remove \S*"):
        prepare_download("dsb2018", tmp_path / "set", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(("kind", "name"), [("numbers", "labels/nuclei_003.png"), ("masks", "nuclei_003/masks/2.png")])
def test_another_size_is_named(tmp_path: Path, kind: str, name: str) -> None:
    save(make_dsb2018(tmp_path / "set", kind=kind) / name, np.ones((24, 21), np.uint8))
    with pytest.raises(ValueError, match=rf"{name} has 24 x 21 pixels .*nuclei_003\.png has 24 x 20"):
        prepare_download("dsb2018", tmp_path / "set", tmp_path / "cache")


@pytest.mark.parametrize("label", [np.ones((24, 20), bool), np.ones((24, 20, 3), np.uint8)], ids=["bits", "colours"])
def test_a_label_without_numbers_is_named(tmp_path: Path, label: np.ndarray) -> None:
    source = make_dsb2018(tmp_path / "set")
    save(source / "labels" / "nuclei_003.png", label)
    problem = r"labels/nuclei_003\.png does not hold the numbers of nuclei; .* Download it again"
    with pytest.raises(ValueError, match=problem):
        prepare_download("dsb2018", source, tmp_path / "cache")
