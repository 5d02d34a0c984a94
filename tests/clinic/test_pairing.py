from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monai_cwmi.clinic.pairing import pair_sources, patient_of
from monai_cwmi.clinic.problems import DefectError
from monai_cwmi.clinic.sources import Source, find_sources


def scan(path: str, **tags: Any) -> Source:
    return Source(Path("in", path), tuple(path.split("/")), **tags)


def series(path: str, uid: str, **tags: Any) -> Source:
    return scan(path, kind="series", series_uid=uid, **tags)


def seg(path: str, *references: str, **tags: Any) -> Source:
    return scan(path, kind="segmentation", references={uid: set() for uid in references}, **tags)


CT, MR = series("P1/a", "1", study_uid="9"), series("P1/a", "2", study_uid="9")


@pytest.mark.parametrize(
    ("images", "label"),
    [
        ([scan("a"), scan("b")], scan("a")),
        ([scan("x/a"), scan("y/a")], scan("x/a")),
        ([scan("volume-12"), scan("volume-1")], scan("segmentation-12")),
        ([scan("liver_003_0000"), scan("liver_004_0000")], scan("liver_003")),
        ([scan("P07/Image"), scan("P08/Image")], scan("p07/label")),
        ([scan("P07/ct/thin"), scan("P08/ct/thin")], scan("P07/liver")),
        ([scan("P07/ct"), scan("P08/ct")], scan("P07")),
        ([scan("P07"), scan("P08")], scan("P07/tumour")),
        ([scan("image"), scan("P08")], scan("image")),
        ([MR, CT][::-1], seg("elsewhere/s", "1")),
        ([scan("s", study_uid="9"), scan("t", study_uid="8")], seg("elsewhere/s", study_uid="9")),
        ([scan("P1"), scan("P2")], seg("P1/s", "1")),  # scans that were converted from DICOM
    ],
)
def test_the_first_image_is_the_one_of_the_label(images: list[Source], label: Source) -> None:
    pairs, problems = pair_sources(images, [label])
    assert [(pair.image, pair.label) for pair in pairs] == [(images[0], label)]
    assert all("image without a label" in problem.message for problem in problems)
    assert [problem.source for problem in problems] == [image.path for image in images[1:]]


def test_accents_may_be_spelt_in_two_ways(tmp_path: Path) -> None:
    images, labels = (tmp_path / kind / name for kind, name in (("images", "M\u00fcller"), ("labels", "Mu\u0308ller")))
    for folder in (images, labels):
        folder.mkdir(parents=True)
        (folder / "a.nii").touch()
    (scans, _), (drawn, _) = find_sources(images.parent), find_sources(labels.parent)
    pairs, problems = pair_sources(scans, drawn)
    assert (len(pairs), problems) == (1, [])
    assert patient_of(pairs[0].label) == "M\u00fcller"


def test_an_exact_name_goes_before_a_similar_one() -> None:
    images = [scan("case_seg"), scan("case")]
    pairs, problems = pair_sources(images, [scan("case"), scan("case_seg")])
    assert [pair.image.key == pair.label.key for pair in pairs] == [True, True]
    assert not problems


@pytest.mark.parametrize(
    ("images", "labels", "messages"),
    [
        ([scan("a")], [scan("b")], {"b": "label without an image", "a": "image without a label"}),
        ([scan("a"), scan("b")], [scan("a")], {"b": "image without a label"}),
        ([scan("P1/x"), scan("P1/y")], [scan("P1/z")], {"P1/z": "could belong to 2 scans: in/P1/x, in/P1/y"}),
        ([scan("a")], [scan("a_seg"), scan("a_mask")], {"a": "is claimed by 2 labels: in/a_seg, in/a_mask"}),
        ([scan("P1/a")], [scan("P1/b"), scan("P1/c")], {"P1/a": "is claimed by 2 labels: in/P1/b, in/P1/c"}),
        ([CT, MR], [seg("s", study_uid="9")], {"s": "could belong to 2 scans: in/P1/a (DICOM series 1), in/P1/a"}),
        (
            [CT],
            [seg("P1/s", "3", study_uid="9")],
            {"P1/s": "refers to a series that is not among the images: 3", "P1/a": "image without a label"},
        ),
    ],
)
def test_what_cannot_be_paired_is_named(images: list[Source], labels: list[Source], messages: dict[str, str]) -> None:
    pairs, problems = pair_sources(images, labels)
    found = {problem.source.relative_to("in").as_posix(): problem.message for problem in problems}
    assert found.keys() == messages.keys()
    assert all(found[path].startswith(message) for path, message in messages.items())
    assert {problem.severity for problem in problems} == {"error"}
    assert len(pairs) == sum(image.key not in {tuple(path.split("/")) for path in found} for image in images) - (
        any("could belong" in message for message in messages.values()) * len(images)
    )


def test_another_series_of_a_patient_needs_no_label() -> None:
    pairs, (problem,) = pair_sources([CT, MR], [seg("s", "2")])
    assert [pair.image for pair in pairs] == [MR]
    assert problem.severity == "warning"
    assert problem.message == "image without a label (DICOM series 1); its patient has another, with one"


@pytest.mark.parametrize(
    ("image", "pattern", "patient"),
    [
        (scan("P1/a", patient_id="77"), None, "77"),
        (scan("P1/a"), None, "P1"),
        (scan("P1_visit2"), None, "P1_visit2"),
        (scan("P1_visit2"), r"(P\d+)_", "P1"),
        (scan("x/P1_visit2", patient_id="77"), r"P\d+", "P1"),
    ],
)
def test_the_patient_is_told_by_tag_folder_name_or_pattern(image: Source, pattern: str | None, patient: str) -> None:
    assert patient_of(image, pattern) == patient


def test_a_pattern_that_does_not_occur_is_named() -> None:
    with pytest.raises(DefectError, match=r"pattern 'Q' does not occur in 'x/P1'"):
        patient_of(scan("x/P1"), "Q")
