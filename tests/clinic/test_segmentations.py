from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK

from clinic.builders import AXIAL, Series, block, noise, segmentation, turned, write_volume
from monai_cwmi.clinic.problems import DefectError
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.segmentations import Classes, read_label, segment_names
from monai_cwmi.clinic.sources import Source, find_sources

SHAPE = (6, 7, 8)
ORIENTATIONS = {
    "axial": AXIAL,
    "oblique": turned(20, -35, 50),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "flipped": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "half way": turned(0, 0, 45),
}


def read_segmentation(
    folder: Path, series: Series, made: highdicom.seg.Segmentation, classes: Classes | None = None
) -> tuple[SimpleITK.Image, list[str]]:
    series.write(folder / "scan")
    made.save_as(folder / "seg.dcm")
    (image,), _ = find_sources(folder / "scan")
    label = next(source for source in find_sources(folder)[0] if source.kind == "segmentation")
    return read_label(label, read_scan(image), classes or Classes())


def read_file(label: Path, image: Path, classes: Classes | None = None) -> tuple[SimpleITK.Image, list[str]]:
    return read_label(Source(label, ("a",)), read_scan(Source(image, ("a",))), classes or Classes())


def places(series: Series, mask: np.ndarray) -> set[tuple[float, ...]]:
    """Where the voxels of a mask over the slices lie, by the tags of the slices."""
    return {tuple(series.place(*index).round(4).tolist()) for index in np.argwhere(mask)}


def labelled(label: SimpleITK.Image, value: int) -> set[tuple[float, ...]]:
    indices = np.argwhere(SimpleITK.GetArrayFromImage(label) == value)[:, ::-1].tolist()
    return {tuple(np.round(label.TransformIndexToPhysicalPoint(index), 4).tolist()) for index in indices}


@pytest.mark.parametrize("sign", [1, -1], ids=["along", "against"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_every_labelled_voxel_lies_where_the_tags_say(tmp_path: Path, name: str, sign: int) -> None:
    cosines = ORIENTATIONS[name]
    series = Series(noise(*SHAPE), cosines, step=sign * 3.3 * np.cross(*cosines))
    liver = block(*SHAPE)
    lesion = np.zeros_like(liver)
    lesion[4, 1, 2] = lesion[5, 0, 7] = 1
    label, remarks = read_segmentation(tmp_path, series, segmentation(series, {"liver": liver, "lesion": lesion}))
    assert not remarks
    assert labelled(label, 1) == places(series, liver)
    assert labelled(label, 2) == places(series, lesion)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize("drawn", [[3], [1, 4], [0, 2, 5]])
@pytest.mark.parametrize("keeps_gap", [True, False])
def test_slices_without_a_label_may_be_left_out(tmp_path: Path, drawn: list[int], keeps_gap: bool, kind: str) -> None:
    series = Series(noise(*SHAPE))
    mask = np.zeros(SHAPE, np.uint8)
    mask[drawn, 2:4, 1:5] = 1
    made = segmentation(series, {"liver": mask}, kind)
    if not keeps_gap:
        del made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    label, _ = read_segmentation(tmp_path, series, made)
    assert labelled(label, 1) == places(series, mask)


def overlapping() -> tuple[Series, highdicom.seg.Segmentation]:
    series = Series(noise(*SHAPE))
    masks = {name: np.zeros(SHAPE, np.uint8) for name in ("liver", "lesion", "vessel")}
    masks["liver"][1:4], masks["lesion"][3:5], masks["vessel"][0] = 1, 1, 1
    return series, segmentation(series, masks)


def test_segments_that_overlap_are_an_error_without_an_order(tmp_path: Path) -> None:
    with pytest.raises(DefectError, match=r"segments overlap \('liver' and 'lesion'\): give the classes in the order"):
        read_segmentation(tmp_path, *overlapping())


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("liver", "lesion"), [0, 1, 1, 2, 2, 0]),
        (("lesion", "Liver"), [0, 2, 2, 2, 1, 0]),
        (("vessel",), [1, 0, 0, 0, 0, 0]),
    ],
)
def test_a_later_class_wins(tmp_path: Path, classes: tuple[str, ...], expected: list[int]) -> None:
    label, remarks = read_segmentation(tmp_path, *overlapping(), Classes(classes))
    np.testing.assert_array_equal(
        SimpleITK.GetArrayFromImage(label), np.broadcast_to(np.c_[expected][..., None], SHAPE)
    )
    assert any("segments that are no class" in remark for remark in remarks)
    assert (f"segments overlap: a later class took {7 * 8} voxels from an earlier one" in remarks) == (
        len(classes) == 2
    )


def test_a_class_without_a_segment_is_remarked(tmp_path: Path) -> None:
    series = Series(noise(*SHAPE))
    made = segmentation(series, {"liver": block(*SHAPE)})
    label, remarks = read_segmentation(tmp_path, series, made, Classes(("tumour", "liver")))
    assert remarks == ["no segment is called 'tumour'"]
    assert labelled(label, 2) == places(series, block(*SHAPE))


def test_a_fractional_segmentation_is_named(tmp_path: Path) -> None:
    series = Series(noise(*SHAPE))
    made = segmentation(series, {"liver": block(*SHAPE) * np.float32(0.5)}, "FRACTIONAL")
    with pytest.raises(DefectError, match="fractional values: a DICOM SEG of the type FRACTIONAL"):
        read_segmentation(tmp_path, series, made)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin": (-11.3, 7.0, 30.0)}, r"its voxels lie between those of the image"),
        ({"pitch": (0.8, 0.8)}, "spacing 0.8 0.8 2.5, the image has 0.6 0.8 2.5"),
        ({"cosines": turned(5, 0, 0)}, "direction"),
        ({"origin": (-11.0, 7.0 - 4 * 0.8, 30.0)}, r"\d+ voxels of segment 1 lie outside of the image"),
    ],
)
def test_a_segmentation_of_another_grid_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    series = Series(noise(*SHAPE))
    other = segmentation(Series(noise(*SHAPE), **changes), {"liver": block(*SHAPE)})
    with pytest.raises(DefectError, match=message):
        read_segmentation(tmp_path, series, other)


def test_a_damaged_segmentation_is_named(tmp_path: Path) -> None:
    series = Series(noise(*SHAPE))
    made = segmentation(series, {"liver": block(*SHAPE)})
    del made.PerFrameFunctionalGroupsSequence
    with pytest.raises(DefectError, match="cannot be read as DICOM SEG"):
        read_segmentation(tmp_path, series, made)


def test_an_empty_label_is_remarked(tmp_path: Path) -> None:
    image = write_volume(tmp_path / "image.nii.gz", noise(*SHAPE))
    label = write_volume(tmp_path / "label.nii.gz", np.zeros(SHAPE, np.uint8))
    assert read_file(label, image)[1] == ["the label is empty"]


def test_values_of_files_become_classes(tmp_path: Path) -> None:
    image = write_volume(tmp_path / "image.nii.gz", noise(*SHAPE))
    array = noise(*SHAPE) % 3
    label = write_volume(tmp_path / "label.mha", np.choose(array, [0, 255, 128]).astype(np.float32))
    result, remarks = read_file(label, image, Classes(values=(128, 255)))
    assert not remarks
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(result), np.choose(array, [0, 2, 1]))


@pytest.mark.parametrize("kind", [np.uint32, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("value", [65536, 65537, 65538])
def test_large_values_become_no_other_class(tmp_path: Path, value: int, kind: Any) -> None:
    image = write_volume(tmp_path / "image.nii.gz", noise(*SHAPE))
    array = np.choose(block(*SHAPE), [0, value]).astype(kind)
    array[0, 0, 0] = 1
    label = write_volume(tmp_path / "label.nii.gz", array)
    for classes in (Classes(), Classes(("liver", "cyst"))):
        with pytest.raises(DefectError, match=f"unexpected values {value}; expected: "):
            read_file(label, image, classes)
    result, _ = read_file(label, image, Classes(values=(value, 1)))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(result), np.where(array == value, 1, array * 2))


def test_a_complex_label_is_refused(tmp_path: Path) -> None:
    image = write_volume(tmp_path / "image.nii.gz", noise(*SHAPE))
    label = nibabel.Nifti1Image(block(*SHAPE).T * np.complex64(1 + 1j), np.diag([-0.7, -0.8, 2.5, 1]))
    nibabel.save(label, tmp_path / "label.nii")
    with pytest.raises(DefectError, match="its voxels are complex numbers"):
        read_file(tmp_path / "label.nii", image)


def test_a_label_of_another_axis_order_is_turned(tmp_path: Path) -> None:
    array = block(*SHAPE)
    image = write_volume(tmp_path / "image.nii.gz", noise(*SHAPE))
    upright = write_volume(tmp_path / "label.nrrd", array)
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(upright)), "RSA"), str(tmp_path / "turned.nrrd"))
    result, remarks = read_file(tmp_path / "turned.nrrd", image)
    assert remarks == ["orientation RSA, the image has LPS: the axes were put in the image's order"]
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(result), array)


def test_every_defect_of_a_file_is_named(tmp_path: Path) -> None:
    image = write_volume(tmp_path / "image.nii.gz", noise(*SHAPE))
    array = block(*SHAPE).astype(np.float32)
    array[0, 0, 0] = np.nan
    array[0, 0, 1] = 0.25
    label = write_volume(
        tmp_path / "label.mha", array, spacing=(0.7, 0.9, 2.5), direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    )
    with pytest.raises(DefectError) as error:
        read_file(label, image)
    text = "\n".join(error.value.messages)
    for part in ("not finite", "fractional values (0.25)", "orientation RAS, the image has LPS", "spacing", "origin"):
        assert part in text


def test_segment_names_are_those_of_the_tags(tmp_path: Path) -> None:
    overlapping()[1].save_as(tmp_path / "seg.dcm")
    (source,), _ = find_sources(tmp_path)
    assert segment_names(source) == {1: "liver", 2: "lesion", 3: "vessel"}
    assert segment_names(Source(tmp_path / "a.nii", ("a",))) == {}


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        (("a", "a"), None, "classes must name each class once"),
        ((), None, "classes must name each class once"),
        (None, (1, 1), "label_values must name each class once"),
        (None, (0, 1), "0 is the background"),
        (("a", "b"), (1,), "2 classes have 1 label_values"),
    ],
)
def test_impossible_classes_are_refused(names: Any, values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classes(names, values)


@pytest.mark.network
def test_the_real_segmentation_lies_over_its_slices(ct_sample: Path) -> None:
    sources, _ = find_sources(ct_sample)
    image, label = (next(each for each in sources if each.kind == kind) for kind in ("series", "segmentation"))
    names = ("DARK_BLUE", "LIGHT_BLUE", "PURPLE", "ORANGE", "GREEN")
    result, _ = read_label(label, read_scan(image), Classes(names))
    # By hand: frames of one bit a pixel, each with its segment and its position, painted in the order of the classes.
    data = pydicom.dcmread(label.path)
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
    frames = bits[: 512 * 512 * int(data.NumberOfFrames)].reshape(-1, 512, 512)
    numbers = {segment.SegmentLabel: segment.SegmentNumber for segment in data.SegmentSequence}
    expected: dict[tuple[int, int, float], int] = {}
    for value, name in enumerate(names, 1):
        for frame, group in zip(frames, data.PerFrameFunctionalGroupsSequence, strict=True):
            if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == numbers[name]:
                depth = float(group.PlanePositionSequence[0].ImagePositionPatient[2])
                expected.update({(row, column, depth): value for row, column in np.argwhere(frame).tolist()})
    found = SimpleITK.GetArrayFromImage(result)
    corner = np.array([-235.199997, -226.800003])
    assert np.count_nonzero(found) == len(expected) > 40000
    for (row, column, depth), value in expected.items():
        place = (*(corner + 0.810547 * np.array([column, row])), depth)
        assert result[result.TransformPhysicalPointToIndex(place)] == value
