from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from monai_cwmi.data import list_images


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(cases: list[dict[str, Any]]) -> list[str]:
    return [Path(case["image"]).name for case in cases]


def test_images_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert list_images(tmp_path) == [{"image": str(tmp_path / "a.jpg")}, {"image": str(tmp_path / "b.PNG")}]


def test_labels_in_the_folder_beside_the_images_are_listed(tmp_path: Path) -> None:
    for name in ("imagesTs/a.png", "imagesTs/b.png", "labelsTs/b.png", "other/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    images, labels = tmp_path / "imagesTs", tmp_path / "labelsTs"
    assert list_images(images) == [
        {"image": str(images / "a.png")},
        {"image": str(images / "b.png"), "label": str(labels / "b.png")},
    ]
    assert list_images(tmp_path / "other") == [{"image": str(tmp_path / "other" / "a.png")}]


def test_volumes_are_listed(tmp_path: Path) -> None:
    files = ("a.nii", "b.nii.gz", "c.NRRD", "d.mha", "e.mhd", "f.nhdr")
    touch(tmp_path, *files, "e.raw", "f.raw.gz", "._a.nii", "b.json")
    assert names(list_images(tmp_path)) == list(files)


def test_labels_of_volumes_may_have_another_suffix_and_no_channel(tmp_path: Path) -> None:
    touch(tmp_path / "imagesTs", "a.nrrd", "b_0000.nii.gz", "c_0000.nii.gz", "d.nii.gz")
    touch(tmp_path / "labelsTs", "a.nii.gz", "b.nii.gz", "c.nii.gz", "c_0000.nii.gz")
    labels = {Path(case["image"]).name: case.get("label") for case in list_images(tmp_path / "imagesTs")}
    folder = tmp_path / "labelsTs"
    assert labels == {
        "a.nrrd": str(folder / "a.nii.gz"),
        "b_0000.nii.gz": str(folder / "b.nii.gz"),
        "c_0000.nii.gz": str(folder / "c_0000.nii.gz"),
        "d.nii.gz": None,
    }


def test_channels_are_joined_where_a_list_says_so(tmp_path: Path) -> None:
    files = [tmp_path / "imagesTs" / f"a_000{channel}.nii.gz" for channel in (0, 1)]
    touch(tmp_path, *(f"imagesTs/{file.name}" for file in files), "labelsTs/a.nii.gz")
    label = str(tmp_path / "labelsTs" / "a.nii.gz")
    (tmp_path / "dataset.json").write_text('{"channel_names": {"0": "FLAIR", "1": "T1w"}}')
    assert list_images(tmp_path / "imagesTs") == [{"image": [str(file) for file in files], "label": label}]
    (tmp_path / "dataset.json").unlink()  # else the files of a numbered stack would be taken for channels
    assert names(list_images(tmp_path / "imagesTs")) == ["a_0000.nii.gz", "a_0001.nii.gz"]


def test_folders_of_dicom_files_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "images/b.nii", "images/empty/a.txt", "labels/a.nii.gz")
    for place in ("images/a", "series"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(100))
    images, label = tmp_path / "images", str(tmp_path / "labels" / "a.nii.gz")
    assert list_images(images) == [{"image": str(images / "a"), "label": label}, {"image": str(images / "b.nii")}]
    assert list_images(tmp_path / "series") == [{"image": str(tmp_path / "series")}]


def test_a_missing_image_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        list_images(tmp_path / "nowhere")


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no image \(\.png"):
        list_images(tmp_path)


@pytest.mark.parametrize("same", [("a.nii.gz", "a.mha"), ("a.PNG", "a.jpg"), ("a.nii.gz", "a")])
@pytest.mark.parametrize("listed", ["{}", '{"channel_names": {"0": "FLAIR", "1": "T1w"}}'])
def test_images_whose_results_would_overwrite_each_other_are_named(
    tmp_path: Path, same: tuple[str, str], listed: str
) -> None:
    (tmp_path / "dataset.json").write_text(listed)
    folder = tmp_path / "imagesTs"
    touch(folder, "b.nii", *(name for name in same if "." in name))
    if "a" in same:
        (folder / "a").mkdir()
        (folder / "a" / "IM0001").write_bytes(bytes(128) + b"DICM")
    with pytest.raises(ValueError, match="would overwrite") as error:
        list_images(folder)
    assert {Path(path).name for path in re.findall(r"\S+imagesTs\S+?(?= and|\. Give)", str(error.value))} == set(same)


def test_series_named_by_uids_are_told_apart(tmp_path: Path) -> None:
    for name in ("1.2.nii", "1.2", "1.2.3"):  # the whole name of a folder counts
        (tmp_path / name).mkdir()
        (tmp_path / name / "IM0001").write_bytes(bytes(128) + b"DICM")
    assert names(list_images(tmp_path)) == ["1.2", "1.2.3", "1.2.nii"]
