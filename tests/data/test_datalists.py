from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_cwmi.data import count_channels, load_class_names, load_datalist
from monai_cwmi.data.datalists import is_dicom


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write_list(folder: Path, content: Any, name: str = "dataset.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder / name


def names(cases: list[dict[str, Any]], key: str = "image") -> list[str]:
    return [Path(case[key]).name for case in cases]


@pytest.fixture
def decathlon(tmp_path: Path) -> Path:
    """A folder as the Medical Segmentation Decathlon's tasks are, after a Mac has unpacked them."""
    folder = tmp_path / "Task09_Spleen"
    cases = [f"spleen_{number}.nii.gz" for number in (2, 3, 6, 8, 9, 10, 12, 13, 14, 16)]
    tests = ["spleen_1.nii.gz", "spleen_7.nii.gz"]
    for place, files in {"imagesTr": cases, "labelsTr": cases, "imagesTs": tests}.items():
        touch(folder / place, *files, *(f"._{file}" for file in files))
    content = {
        "name": "Spleen",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "spleen"},
        "numTraining": len(cases),
        "numTest": len(tests),
        "training": [{"image": f"./imagesTr/{file}", "label": f"./labelsTr/{file}"} for file in cases],
        "test": [f"./imagesTs/{file}" for file in tests],
    }
    write_list(folder, content)
    return folder


@pytest.fixture
def nnunet(tmp_path: Path) -> Path:
    """A raw folder of nnU-Net with two channels for each case."""
    folder = tmp_path / "Dataset042_BrainTumour"
    for number in range(1, 11):
        touch(folder, *(f"imagesTr/BRATS_{number:03d}_{channel:04d}.nii.gz" for channel in (0, 1)))
        touch(folder, f"labelsTr/BRATS_{number:03d}.nii.gz")
    touch(folder, "imagesTs/BRATS_100_0000.nii.gz", "imagesTs/BRATS_100_0001.nii.gz", "imagesTr/.DS_Store")
    content = {
        "channel_names": {"0": "FLAIR", "1": "T1w"},
        "labels": {"background": 0, "edema": 1, "enhancing": 3, "core": 2},
        "numTraining": 10,
        "file_ending": ".nii.gz",
    }
    write_list(folder, content)
    return folder


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


def test_a_decathlon_folder_is_read(decathlon: Path) -> None:
    tests = load_datalist(decathlon, "test")
    assert tests == [{"image": str(decathlon / "imagesTs" / f"spleen_{number}.nii.gz")} for number in (1, 7)]
    for case in load_datalist(decathlon, "training"):
        assert Path(case["image"]).is_file()
        assert case["label"] == case["image"].replace("images", "labels")
    assert load_class_names(decathlon) == ["background", "spleen"]


@pytest.mark.parametrize("layout", ["decathlon", "nnunet"])
def test_a_missing_validation_section_is_made(layout: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(layout)
    training, validation = (load_datalist(folder, section) for section in ("training", "validation"))
    assert (len(training), len(validation)) == (8, 2)
    labels = names(training + validation, "label")
    assert sorted(labels) == sorted(path.name for path in (folder / "labelsTr").glob("[!.]*"))
    assert load_datalist(folder, "validation") == validation


def test_no_patient_is_trained_and_validated_on(tmp_path: Path) -> None:
    visits = [
        {"image": f"imagesTr/{visit}.nii.gz", "label": f"labelsTr/{visit}.nii.gz", "patient": f"p{visit // 3}"}
        for visit in range(12)
    ]
    path = write_list(tmp_path, {"training": visits}, "datalist.json")
    patients = [{case["patient"] for case in load_datalist(path, section)} for section in ("training", "validation")]
    assert patients[0] | patients[1] == {"p0", "p1", "p2", "p3"}
    assert not patients[0] & patients[1]
    assert len(patients[1]) == 1


def test_patient_zero_is_a_patient(tmp_path: Path) -> None:
    visits = [{"image": f"{visit}.nii.gz", "label": f"{visit}_l.nii.gz", "patient": visit // 6} for visit in range(12)]
    path = write_list(tmp_path, {"training": visits}, "datalist.json")
    patients = [[case["patient"] for case in load_datalist(path, name)] for name in ("training", "validation")]
    assert sorted(patients) == [[0] * 6, [1] * 6]


def test_without_a_patient_the_image_names_it(tmp_path: Path) -> None:
    cases = [{"image": f"{name}.nii", "label": f"{name}_l.nii", "patient": None} for name in "ab"]
    write_list(tmp_path, {"training": cases})
    assert [len(load_datalist(tmp_path, section)) for section in ("training", "validation")] == [1, 1]


def test_a_validation_section_is_kept(tmp_path: Path) -> None:
    content = {
        "training": [{"image": f"{number}.png", "label": f"{number}_l.png"} for number in range(5)],
        "validation": [{"image": "v.png", "label": "v_l.png"}],
    }
    write_list(tmp_path, content)
    assert len(load_datalist(tmp_path, "training")) == 5
    assert names(load_datalist(tmp_path, "validation")) == ["v.png"]


def test_one_patient_is_not_split(tmp_path: Path) -> None:
    write_list(tmp_path, {"training": [{"image": "a.nii", "label": "b.nii"}]})
    assert names(load_datalist(tmp_path, "training")) == ["a.nii"]
    with pytest.raises(
        ValueError, match=r"dataset\.json has no validation section.*one patient only.*--fractions 0\.5 0\.5 0"
    ):
        load_datalist(tmp_path, "validation")


def test_an_nnunet_folder_is_read(nnunet: Path) -> None:
    (case,) = load_datalist(nnunet, "test")
    assert case == {"image": [str(nnunet / "imagesTs" / f"BRATS_100_000{channel}.nii.gz") for channel in (0, 1)]}
    for case in load_datalist(nnunet, "training"):
        first, second = case["image"]
        assert Path(first).is_file()
        assert Path(second).is_file()
        label = case["label"].replace("labelsTr", "imagesTr")
        assert (first, second) == (label.replace(".nii", "_0000.nii"), label.replace(".nii", "_0001.nii"))
    assert load_class_names(nnunet) == ["background", "edema", "core", "enhancing"]


def test_a_case_of_one_channel_is_one_file(tmp_path: Path) -> None:
    write_list(tmp_path, {"channel_names": {"0": "CT"}, "labels": {}, "file_ending": ".nrrd"})
    touch(tmp_path, "imagesTs/a_0000.nrrd", "labelsTs/a.nrrd", "imagesTs/notes.txt")
    image, label = str(tmp_path / "imagesTs" / "a_0000.nrrd"), str(tmp_path / "labelsTs" / "a.nrrd")
    assert load_datalist(tmp_path, "test") == [{"image": image, "label": label}]


def test_channel_files_under_the_listed_name_are_found(tmp_path: Path) -> None:
    entries = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in "ab"]
    write_list(tmp_path, {"training": entries, "validation": entries})
    touch(tmp_path, "imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz", "imagesTr/b_0001.nii.gz")
    images = [case["image"] for case in load_datalist(tmp_path, "training")]
    folder = tmp_path / "imagesTr"
    assert images == [str(folder / "a_0000.nii.gz"), [str(folder / f"b_000{channel}.nii.gz") for channel in (0, 1)]]


def test_linked_files_keep_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "store/1f3a", "store/77e0")
    (tmp_path / "set" / "imagesTs").mkdir(parents=True)
    (tmp_path / "set" / "imagesTs" / "a.nii.gz").symlink_to(tmp_path / "store" / "1f3a")
    write_list(tmp_path / "store", {"test": ["imagesTs/a.nii.gz"]}, "77e0")
    (tmp_path / "set" / "dataset.json").symlink_to(tmp_path / "store" / "77e0")
    assert load_datalist(tmp_path / "set", "test") == [{"image": str(tmp_path / "set" / "imagesTs" / "a.nii.gz")}]


def test_a_prepared_list_comes_before_an_older_one(tmp_path: Path) -> None:
    write_list(tmp_path, {"test": ["old.nii.gz"]})
    write_list(tmp_path, {"test": ["new.nii.gz"]}, "datalist.json")
    assert names(load_datalist(tmp_path, "test")) == ["new.nii.gz"]


@pytest.mark.parametrize("section", ["training", "validation"])
def test_cases_without_a_label_are_named(decathlon: Path, section: str) -> None:
    content = json.loads((decathlon / "dataset.json").read_text())
    content["training"][3].pop("label")
    content["validation"] = content["training"]
    write_list(decathlon, content)
    with pytest.raises(ValueError, match=rf"section '{section}'.*needs labels; there is none for: \S*spleen_8\.nii"):
        load_datalist(decathlon, section)


def test_labels_can_be_asked_for(decathlon: Path) -> None:
    with pytest.raises(ValueError, match=r"needs labels.*spleen_1\.nii\.gz, \S*spleen_7"):
        load_datalist(decathlon, "test", labelled=True)
    assert load_datalist(decathlon, "validation", labelled=True)


def test_a_missing_nnunet_label_is_named(nnunet: Path) -> None:
    (nnunet / "labelsTr" / "BRATS_004.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"needs labels.*BRATS_004_0000"):
        load_datalist(nnunet, "training")


def test_a_missing_channel_is_named(nnunet: Path) -> None:
    (nnunet / "imagesTr" / "BRATS_004_0001.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"has 2 channels by its list, but not: \S*BRATS_004_0000"):
        load_datalist(nnunet, "training")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", r"dataset\.json is not a JSON file"),
        ("[]", r"dataset\.json must hold an object"),
        ('{"test": [{"picture": "a.png"}]}', r"section 'test' of .*dataset\.json must be an object with an \"image\""),
    ],
)
def test_a_broken_list_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(ValueError, match=problem):
        load_datalist(tmp_path, "test")


def test_a_missing_list_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data set file .*mine\.json does not exist"):
        load_datalist(tmp_path / "mine.json", "training")


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (None, "does not name the classes"),
        ({"0": "background", "2": "liver"}, "without a gap"),
        ({"background": 0, "whole tumor": [1, 2], "core": 2}, "Regions"),
        ({"background": 0, "liver": 1, "tumour": 1}, "once each"),
        ({"background": 0, "liver": 1, "ignore": 2}, '"ignore" label'),
        ({"0": "liver"}, "one class only"),
    ],
)
def test_unusable_class_names_are_named(tmp_path: Path, labels: Any, problem: str) -> None:
    path = write_list(tmp_path, {"labels": labels} if labels else {})
    with pytest.raises(ValueError, match=problem) as error:
        load_class_names(tmp_path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("content", "channels"),
    [
        ({"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}}, 4),
        ({"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"}, 1),
        ({"channel_names": {"0": "T2", "1": "ADC"}, "file_ending": ".nii.gz"}, 2),
        ({"modality": "CT"}, 1),
        ({}, 1),
    ],
)
def test_channels_are_counted(tmp_path: Path, content: Any, channels: int) -> None:
    write_list(tmp_path, content)
    assert count_channels(tmp_path) == channels


@pytest.mark.parametrize(("content", "expected"), [(bytes(128) + b"DICM...", True), (b"DICM" * 20, False)])
def test_the_mark_of_dicom_is_seen(tmp_path: Path, content: bytes, expected: bool) -> None:
    (tmp_path / "scan.nii").write_bytes(content)
    assert is_dicom(tmp_path / "scan.nii") is expected
