from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_cwmi.data import list_images, load_datalist


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    content = {"training": [{"image": "imagesTr/a.png", "label": "labelsTr/a.png"}], "test": ["imagesTs/b.png"]}
    (tmp_path / "set" / "dataset.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "set"
    assert load_datalist("set", "training") == [
        {"image": str(folder / "imagesTr/a.png"), "label": str(folder / "labelsTr/a.png")}
    ]
    assert load_datalist("set", "test") == [{"image": str(folder / "imagesTs/b.png")}]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist.*fetch-sample.*dataset_dir"):
        load_datalist(tmp_path / "nowhere", "training")


def test_a_folder_without_a_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path} has no dataset\.json"):
        load_datalist(tmp_path, "training")


@pytest.mark.parametrize("section", ["training", "test"])
def test_an_empty_section_is_named(tmp_path: Path, section: str) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({section: []}))
    with pytest.raises(ValueError, match=f"section '{section}' of .* lists no cases"):
        load_datalist(tmp_path, section)


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(ValueError, match="validation"):
        load_datalist(tmp_path, "validation")


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


def test_a_missing_image_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        list_images(tmp_path / "nowhere")


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no image \(\.png"):
        list_images(tmp_path)
