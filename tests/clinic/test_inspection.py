from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK

from clinic.builders import Series, block, noise, segmentation, write_volume
from monai_cwmi.clinic import inspection, prepare_dataset
from monai_cwmi.clinic.inspection import Facts, Inspection, compare_cases, inspect_case
from monai_cwmi.clinic.pairing import Pair
from monai_cwmi.clinic.segmentations import Classes
from monai_cwmi.clinic.sources import Slice, Source, find_sources

SHAPE = (6, 7, 8)


def files(folder: Path, image: np.ndarray, label: np.ndarray) -> Pair:
    paths = [write_volume(folder / f"{name}.nrrd", array) for name, array in {"image": image, "label": label}.items()]
    return Pair(*(Source(path, ("P1", path.stem)) for path in paths))


def dicom(folder: Path, series: Series, label_of: Series, **names: np.ndarray) -> Pair:
    series.write(folder / "scan")
    segmentation(label_of, names).save_as(folder / "seg.dcm")
    scan, label = find_sources(folder)[0]
    return Pair(scan, label)


def test_facts_are_those_of_the_voxels(tmp_path: Path) -> None:
    label = block(*SHAPE)
    label[0, 0, :3] = 2
    image = noise(*SHAPE)
    found = inspect_case(files(tmp_path, image, label), Classes())
    assert (found.errors, found.warnings, found.patient) == ([], [], "P1")
    facts = found.facts
    assert facts is not None
    assert (facts.modality, facts.size, facts.spacing, facts.orientation) == (
        "unknown",
        (8, 7, 6),
        (0.7, 0.8, 2.5),
        "LPS",
    )
    assert facts.intensity == (image.min(), image.max())
    assert facts.voxels == {1: int((label == 1).sum()), 2: 3}


def test_a_checksum_tells_voxels_and_shape_apart(tmp_path: Path) -> None:
    image, label = noise(4, 4, 2), block(4, 4, 2)
    arrays = [image, image.reshape(4, 2, 4), image + np.int16(1), image]
    sums = [
        inspect_case(files(tmp_path / str(i), array, label.reshape(array.shape)), Classes()).image_sha256
        for i, array in enumerate(arrays)
    ]
    assert sums[0] == sums[3]
    assert len(set(sums)) == 3


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("float", "the same voxels and label as in"),
        ("flipped", "the same voxels and label as in"),
        ("turned", "the same voxels and label as in"),
        ("other spacing", "the same voxels with another spacing as in"),
    ],
)
def test_a_scan_is_known_in_another_form(tmp_path: Path, kind: str, message: str) -> None:
    pair = files(tmp_path / "a", noise(*SHAPE), block(*SHAPE))
    copies = []
    for source in (pair.image, pair.label):
        image = SimpleITK.ReadImage(str(source.path))
        if kind == "float" and source is pair.image:
            image = SimpleITK.Cast(image, SimpleITK.sitkFloat32)
        elif kind == "flipped":
            image = SimpleITK.Flip(image, (True, True, False))
        elif kind == "turned":
            image = SimpleITK.PermuteAxes(image, (2, 0, 1))
        elif kind == "other spacing":
            image.SetSpacing((1, 1, 1))
        SimpleITK.WriteImage(image, str(tmp_path / source.path.name))
        copies.append(Source(tmp_path / source.path.name, source.key))
    cases = [inspect_case(each, Classes()) for each in (pair, Pair(*copies))]
    assert [each.errors for each in cases] == [[], []]
    compare_cases(cases)
    assert message in cases[1].errors[0]
    assert bool(cases[0].errors) == (kind == "other spacing")


@pytest.mark.parametrize(("tag", "modality"), [("MR", "MR"), ("MR SMITH", "unknown")])
def test_only_known_modalities_are_told(tmp_path: Path, tag: str, modality: str) -> None:
    series = Series(noise(*SHAPE), tags={"Modality": tag})
    facts = inspect_case(dicom(tmp_path, series, series, liver=block(*SHAPE)), Classes()).facts
    assert facts is not None
    assert facts.modality == modality


def test_every_defect_of_a_case_is_named(tmp_path: Path) -> None:
    image = noise(*SHAPE).astype(np.float32)
    image[0, 0, :2] = np.nan, np.inf
    label = block(*SHAPE, value=7)
    found = inspect_case(files(tmp_path, image, label), Classes(values=(1,)), patient_pattern="nobody")
    assert found.errors == [
        "the patient pattern 'nobody' does not occur in 'P1/image'",
        "image: 2 voxels are not finite (NaN or infinite)",
        f"label {tmp_path / 'label.nrrd'}: unexpected values 7; expected: 0 1",
    ]
    assert found.facts is None
    assert found.image_sha256


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    pair = files(tmp_path, noise(*SHAPE), block(*SHAPE))
    pair.image.path.write_text("")
    (error,) = inspect_case(pair, Classes()).errors
    assert error.startswith("image: cannot be read")


RAISED = [
    RuntimeError("a"),
    KeyError("b"),
    TypeError(),
    MemoryError(),
    OSError(5, "c"),
    AssertionError(),
    ValueError("d"),
]


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: type(raised).__name__)
@pytest.mark.parametrize(
    "reader", ["read_scan", "read_label", "segment_names", "patient_of", "_sha256", "orientation_code"]
)
def test_whatever_a_reader_raises_is_a_defect_of_the_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, raised: Exception
) -> None:
    def fail(*args: Any) -> None:
        raise raised

    monkeypatch.setattr(inspection, reader, fail)
    found = inspect_case(files(tmp_path, noise(*SHAPE), block(*SHAPE)), Classes())
    assert any(f"cannot be read: {type(raised).__name__}: " in error for error in found.errors)


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: type(raised).__name__)
def test_whatever_libraries_raise_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    """One patient for each kind of file, and one of a kind whose library works."""

    def fail(*args: Any, **options: Any) -> None:
        raise raised

    series = Series(noise(*SHAPE))
    series.write(tmp_path / "images" / "P1")
    segmentation(series, {"liver": block(*SHAPE)}).save_as(tmp_path / "images" / "P1" / "seg.dcm")
    for index, suffix in enumerate((".nii.gz", ".nrrd", ".mha"), 2):
        for kind, array in (("images", noise(*SHAPE, seed=index)), ("labels", block(*SHAPE))):
            write_volume(tmp_path / kind / f"P{index}{suffix}", array)
    (tmp_path / "images" / "P1" / "seg.dcm").rename(tmp_path / "labels" / "P1.dcm")
    places = tmp_path / "images", tmp_path / "labels"
    with monkeypatch.context() as patched:
        patched.setattr(pydicom.Dataset, "pixel_array", property(fail))
        patched.setattr(nibabel.Nifti1Image, "from_bytes", fail)
        summary = prepare_dataset(*places, tmp_path / "first", fractions=(1, 0, 0))
        assert (summary.written, summary.left_out) == (2, 2)
    monkeypatch.setattr(SimpleITK, "ReadImage", fail)
    monkeypatch.setattr(highdicom.seg.Segmentation, "from_dataset", fail)
    summary = prepare_dataset(*places, tmp_path / "second", fractions=(1, 0, 0))
    assert (summary.written, summary.left_out) == (1, 3)


def test_a_label_of_another_patient_or_of_more_slices_is_named(tmp_path: Path) -> None:
    whole = Series(noise(*SHAPE))
    seg = segmentation(whole, {"liver": block(*SHAPE)})
    seg.PatientID = "P2"
    del whole.datasets[-2:]
    whole.write(tmp_path / "scan")
    seg.save_as(tmp_path / "seg.dcm")
    pair = Pair(*find_sources(tmp_path)[0])
    assert inspect_case(pair, Classes()).errors == [
        f"label {tmp_path / 'seg.dcm'}: belongs to the patient 'P2', not 'P1'",
        f"slices are missing: the label {tmp_path / 'seg.dcm'} was drawn on 2 more",
    ]


def case(name: str, patient: str = "P", image: str = "", label: str = "", **more: Any) -> Inspection:
    facts = Facts(image or name, label or name, "CT", (1, 1, 1), (1.0, 1.0, 1.0), "LPS", (0.0, 1.0), {1: 1})
    uids: Sequence[str] = more.pop("uids", ())
    slices = tuple(Slice(Path(name), uid, (1, 1), 1, (), (), ()) for uid in uids)
    pair = Pair(Source(Path(f"{name}.nii"), (name,), slices=slices), Source(Path(f"{name}_seg.nii"), (name,)))
    return Inspection(pair, patient, facts.image_sha256, facts, **more)


@pytest.mark.parametrize(
    ("cases", "errors"),
    [
        ([case("a"), case("b")], ["", ""]),
        (
            [case("a", image="i", label="l"), case("b", image="i", label="l")],
            ["", "duplicate: the same voxels and label as in a.nii, which is used"],
        ),
        (
            [case("a", image="i"), case("b", image="i")],
            [
                "duplicate: the same voxels with another label as in b.nii",
                "duplicate: the same voxels with another label as in a.nii",
            ],
        ),
        (
            [case("a", image="i", label="l"), case("b", "Q", image="i", label="l")],
            [
                "duplicate: the same voxels under another patient as in b.nii",
                "duplicate: the same voxels under another patient as in a.nii",
            ],
        ),
        (
            [case("a", uids=["1", "2"]), case("b", uids=["2", "3"])],
            [
                "duplicate: slices with the same SOPInstanceUID are in b.nii",
                "duplicate: slices with the same SOPInstanceUID are in a.nii",
            ],
        ),
        (
            [case("a", segments={1: "liver", 2: "cyst"}), case("b", segments={1: "cyst"})],
            ["", "label b_seg.nii: segment 1 is 'cyst', but 'liver' in a_seg.nii: give the names of the classes"],
        ),
    ],
)
def test_what_is_wrong_beside_other_cases_is_named(cases: list[Inspection], errors: list[str]) -> None:
    for each in cases:
        each.errors.clear()
    compare_cases(cases)
    assert ["; ".join(each.errors) for each in cases] == errors


def test_the_same_label_for_two_images_is_remarked() -> None:
    cases = [case("a", label="l"), case("b", label="l"), case("c")]
    compare_cases(cases)
    assert [each.warnings for each in cases] == [
        ["label a_seg.nii: is the same as that of another image: b_seg.nii"],
        ["label b_seg.nii: is the same as that of another image: a_seg.nii"],
        [],
    ]
    assert [str(problem) for problem in cases[0].problems()] == [
        "warning: a.nii: label a_seg.nii: is the same as that of another image: b_seg.nii"
    ]
