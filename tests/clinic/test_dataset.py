from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from monai.data import load_decathlon_datalist

from clinic.builders import Series, block, noise, segmentation, turned, write_volume
from clinic.test_sources import lock
from monai_cwmi.clinic import check_datalist, prepare_dataset
from monai_cwmi.data.datalists import load_datalist

SHAPE = (6, 7, 8)


def cohort(folder: Path, number: int, start: int = 1, shape: tuple[int, ...] = SHAPE) -> tuple[Path, Path]:
    """Patients with a NIfTI file each, and labels that are all different."""
    for index in range(start, start + number):
        label = block(*shape)
        label[0].flat[index] = 1
        write_volume(folder / "images" / f"P{index}.nii.gz", noise(*shape, seed=index))
        write_volume(folder / "labels" / f"P{index}.nii.gz", label)
    return folder / "images", folder / "labels"


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_dicom_goes_in_and_nifti_comes_out(tmp_path: Path) -> None:
    orientations = [turned(20, -35, 50), ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))]
    cohort_of: dict[bytes, Series] = {}
    for index, cosines in enumerate(orientations):
        series = Series(noise(*SHAPE, seed=index), cosines, patient=f"P{index}")
        series.write(tmp_path / "in" / f"P{index}" / "scan")
        segmentation(series, {"liver": np.roll(block(*SHAPE), index)}).save_as(
            tmp_path / "in" / f"P{index}" / "seg.dcm"
        )
        cohort_of[np.sort(series.array.ravel()).tobytes()] = series
    summary = prepare_dataset(tmp_path / "in", tmp_path / "in", tmp_path / "out", classes=["liver"])
    assert (summary.written, summary.left_out, summary.problems) == (3, 0, ())
    assert summary.sections == {"training": 1, "validation": 1, "test": 1}
    for path in sorted((tmp_path / "out" / "imagesTr").iterdir()):
        image = SimpleITK.ReadImage(str(path))
        label = SimpleITK.ReadImage(str(tmp_path / "out" / "labelsTr" / path.name))
        series = cohort_of[np.sort(SimpleITK.GetArrayFromImage(image).astype(np.int16).ravel()).tobytes()]
        for slice_, row, column in np.ndindex(SHAPE):
            place = series.place(slice_, row, column)
            voxel = image.TransformPhysicalPointToIndex(place)
            # NIfTI keeps places as 32-bit numbers.
            np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(voxel), place, atol=1e-4)
            assert image[voxel] == series.array[slice_, row, column]
            mask = np.roll(block(*SHAPE), int(series.patient[1:]))
            assert label[label.TransformPhysicalPointToIndex(place)] == mask[slice_, row, column]


def test_the_list_is_read_by_monai_and_by_this_package(tmp_path: Path) -> None:
    images, labels = cohort(tmp_path, 10)
    prepare_dataset(images, labels, tmp_path / "out")
    path = tmp_path / "out" / "datalist.json"
    sizes = [len(load_decathlon_datalist(path, data_list_key=key)) for key in ("training", "validation", "test")]
    assert sizes == [7, 1, 2]
    assert check_datalist(path) == []
    assert len(load_datalist(tmp_path / "out", "training")) == 7
    assert json.loads(path.read_text())["labels"] == {"0": "background", "1": "class 1"}


def test_options_reach_the_output(tmp_path: Path) -> None:
    for seed, name in enumerate(("a1", "a2", "b1", "c1")):
        write_volume(tmp_path / "images" / f"{name}.mha", noise(*SHAPE, seed=seed))
        write_volume(tmp_path / "labels" / f"{name}.mha", np.roll(block(*SHAPE, value=255), seed, 2))
    summary = prepare_dataset(
        tmp_path / "images",
        tmp_path / "labels",
        tmp_path / "out",
        classes=["nodule"],
        label_values=[255],
        fractions=(0, 0.5, 0.5),
        seed=1,
        patient_pattern="[a-z]",
        key=tmp_path / "key.csv",
    )
    assert summary.sections["training"] == 0
    datalist = json.loads((tmp_path / "out" / "datalist.json").read_text())
    assert datalist["labels"]["1"] == "nodule"
    assert len({case["patient"] for part in ("validation", "test") for case in datalist[part]}) == 3
    label = SimpleITK.ReadImage(str(tmp_path / "out" / "labelsTr" / "case_0001.nii.gz"))
    assert set(np.unique(SimpleITK.GetArrayFromImage(label))) == {0, 1}
    assert len((tmp_path / "key.csv").read_text().splitlines()) == 5


def spoil(folder: Path, kind: str) -> None:
    """Give the second of three patients a defect."""
    image, label = folder / "images" / "P2.nii.gz", folder / "labels" / "P2.nii.gz"
    array = block(*SHAPE).astype(np.float32)
    if kind == "no label":
        label.unlink()
    elif kind == "no image":
        image.unlink()
    elif kind == "grid":
        write_volume(label, array, spacing=(0.7, 0.8, 5.0))
    elif kind == "orientation":
        write_volume(label, array, direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1))
    elif kind == "size":
        write_volume(label, array[1:])
    elif kind == "truncated":
        image.write_bytes(image.read_bytes()[:300])
    elif kind == "truncated label":
        label.write_bytes(label.read_bytes()[:100])
    elif kind == "fractional":
        write_volume(label, array * np.float32(0.4))
    elif kind == "unexpected":
        write_volume(label, array * 2)
    elif kind == "not finite":
        write_volume(image, np.where(array, np.float32(np.nan), array))
    elif kind == "copy":
        image.write_bytes((folder / "images" / "P1.nii.gz").read_bytes())
    elif kind == "empty":
        write_volume(label, 0 * array)
    else:
        series = Series(noise(*SHAPE), patient="P2")
        image.unlink()
        paths = series.write(folder / "images" / "P2")
        write_volume(label, array, (0.6, 0.8, 2.5))
        if kind == "gap":
            paths[2].unlink()
        elif kind == "unreadable slice":
            paths[2].write_bytes(b"\0" * 500)
        elif kind == "two series":
            Series(noise(*SHAPE, seed=9), patient="P2").write(folder / "images" / "P2", suffix=".dcm")


@pytest.mark.parametrize(
    ("kind", "severity", "message"),
    [
        ("no label", "error", "images/P2.nii.gz: image without a label"),
        ("no image", "error", "labels/P2.nii.gz: label without an image"),
        ("grid", "error", "spacing 0.7 0.8 5, the image has 0.7 0.8 2.5"),
        ("orientation", "error", "orientation RAS, the image has LPS"),
        ("size", "error", "size 8 7 5, the image has 8 7 6"),
        ("truncated", "error", "images/P2.nii.gz: image: cannot be read: truncated or damaged"),
        ("truncated label", "error", "labels/P2.nii.gz: cannot be read: truncated or damaged"),
        ("fractional", "error", "fractional values (0.4): a probability map, or resampled with interpolation"),
        ("unexpected", "error", "unexpected values 2; expected: 0 1"),
        ("not finite", "error", "voxels are not finite (NaN or infinite)"),
        ("copy", "error", "duplicate: the same voxels under another patient"),
        ("gap", "error", "images/P2: image: 1 slices are missing: gaps of 5 mm among slices 2.5 mm apart"),
        ("unreadable slice", "error", "is no readable DICOM file"),
        ("unreadable slice", "error", "1 DICOM files beside it cannot be read and may be slices of it"),
        ("two series", "error", "labels/P2.nii.gz: could belong to 2 scans"),
        ("empty", "warning", "labels/P2.nii.gz: the label is empty"),
    ],
)
def test_each_defect_is_named_and_the_others_go_on(tmp_path: Path, kind: str, severity: str, message: str) -> None:
    images, labels = cohort(tmp_path, 3)
    spoil(tmp_path, kind)
    summary = prepare_dataset(images, labels, tmp_path / "out", classes=["liver"])
    lines = str(summary).splitlines()
    assert any(line.startswith(f"{severity}: ") and message in line for line in lines)
    written = {"empty": 3, "copy": 1}.get(kind, 2)
    assert lines[-1].startswith(f"Written: {written} cases. Left out: {summary.left_out}. ")
    assert (summary.left_out > 0) == (severity == "error")
    assert ("none for validation" in str(summary)) == (written < 3)
    assert len(list((tmp_path / "out" / "imagesTr").iterdir())) == written
    assert check_datalist(tmp_path / "out" / "datalist.json") == []


def test_a_folder_that_cannot_be_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = cohort(tmp_path, 3)
    for path in sorted(images.iterdir()):
        folder = images / path.name.removesuffix(".nii.gz")
        folder.mkdir()
        path.rename(folder / "scan.nii.gz")
    lock(monkeypatch, images / "P2", ("scandir",))
    summary = prepare_dataset(images, labels, tmp_path / "out", patient_pattern=r"P\d")
    assert summary.written == 2
    assert f"error: {images / 'P2'}: the folder cannot be read, whatever it holds is left out" in str(summary)
    assert f"error: {labels / 'P2.nii.gz'}: label without an image" in str(summary)
    assert summary.left_out == 2


def test_every_defect_is_named_in_one_run(tmp_path: Path) -> None:
    images, labels = cohort(tmp_path, 4)
    spoil(tmp_path, "fractional")
    (labels / "P3.nii.gz").unlink()
    write_volume(images / "P4.nii.gz", noise(*SHAPE), spacing=(1, 1, 1))
    assert prepare_dataset(images, labels, tmp_path / "out", classes=["liver"]).left_out == 3


def test_values_that_are_not_told_stop_the_run(tmp_path: Path) -> None:
    images, labels = cohort(tmp_path, 3)
    spoil(tmp_path, "unexpected")
    write_volume(labels / "P3.nii.gz", block(*SHAPE, value=255))
    summary = prepare_dataset(images, labels, tmp_path / "out")
    assert "label values are not 1, 2, ... (cases: 1 in 1, 2 in 1, 255 in 1)" in str(summary)
    assert not (tmp_path / "out").exists()


def test_a_terminal_shows_the_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    prepare_dataset(*cohort(tmp_path, 2), tmp_path / "out")
    assert all(f"{step}: 100%" in shown.getvalue() for step in ("Checking", "Writing"))
    assert "2/2" in shown.getvalue()


@pytest.mark.parametrize(("images", "labels"), [("data", "data/labels"), ("data/images", "data")])
def test_one_folder_may_lie_in_the_other(tmp_path: Path, images: str, labels: str) -> None:
    cohort(tmp_path / "flat", 3)
    for name, place in (("images", images), ("labels", labels)):
        for path in (tmp_path / "flat" / name).iterdir():
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            path.rename(tmp_path / place / path.name)
    summary = prepare_dataset(tmp_path / images, tmp_path / labels, tmp_path / "out")
    assert (summary.written, summary.problems) == (3, ())


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    summary = prepare_dataset(tmp_path / "images", tmp_path / "labels", tmp_path / "out")
    assert [problem.message for problem in summary.problems] == ["holds no scan", "holds no label"]
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ImportError, match=r"needs highdicom.*monai-cwmi\[clinic\]"):
        prepare_dataset(*cohort(tmp_path, 1), tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fractions": (0.5, 0.5)}, "fractions must be three"),
        ({"fractions": (0.5, 0.5, 0.5)}, "add up to 1"),
        ({"patient_pattern": "("}, "is no regular expression"),
        ({"classes": []}, "classes must name each class once"),
        ({"out": "images/out"}, "must not lie inside the input folder"),
        ({"key": "out/key.csv"}, "must not lie in the data set"),
        ({"images": "nowhere"}, "nowhere does not exist"),
        ({"key": "images/P1.nii.gz"}, "nothing is overwritten"),
    ],
)
def test_impossible_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    cohort(tmp_path, 1)
    places = {name: tmp_path / options.pop(name, name) for name in ("images", "labels", "out")}
    options |= {name: tmp_path / options[name] for name in ("key",) if name in options}
    with pytest.raises((ValueError, OSError), match=message):
        prepare_dataset(**places, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.network
def test_the_real_series_and_segmentation_become_nifti(ct_sample: Path, tmp_path: Path) -> None:
    summary = prepare_dataset(ct_sample, ct_sample, tmp_path / "out")
    assert "segments overlap ('GREEN' and 'ORANGE'" in str(summary)
    assert not (tmp_path / "out").exists()
    names = ["DARK_BLUE", "LIGHT_BLUE", "PURPLE", "ORANGE", "GREEN"]
    summary = prepare_dataset(ct_sample, ct_sample, tmp_path / "out", classes=names)
    assert (summary.written, summary.left_out) == (1, 0)
    series = SimpleITK.ReadImage([str(ct_sample / f"0{number}.dcm") for number in (3, 2, 1)])
    for kind in ("images", "labels"):
        image = SimpleITK.ReadImage(str(tmp_path / "out" / f"{kind}Tr" / "case_0001.nii.gz"))
        assert image.GetSize() == (512, 512, 3)
        for part in ("Spacing", "Origin", "Direction"):
            ours, its = (np.asarray(getattr(each, f"Get{part}")()) for each in (image, series))
            np.testing.assert_allclose(ours, its, atol=1e-4)
    label = SimpleITK.GetArrayFromImage(image)
    # The last class keeps all of its 9602 voxels (the bits of its frames), the first what the others leave to it.
    assert (label == 5).sum() == 9602
