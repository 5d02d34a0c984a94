from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import MediaStorageDirectoryStorage

from clinic.builders import Series, block, noise, segmentation, write_volume
from monai_cwmi.clinic.problems import DefectError
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.sources import find_sources


def test_files_are_known_by_suffix_and_dicom_by_content(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii.gz", "c.nrrd", "d/e.MHA", "f.mhd"):
        write_volume(tmp_path / name.lower(), noise(2, 3, 4)).rename(tmp_path / name)
    series = Series(noise(3, 4, 4), patient="P7")
    paths = series.write(tmp_path / "P7" / "scan")
    (tmp_path / "P7" / ".DS_Store").write_text("")
    sources, problems = find_sources(tmp_path)
    assert not problems  # f.raw belongs to f.mhd
    keys = [("P7", "scan"), ("a",), ("b",), ("c",), ("d", "e"), ("f",)]
    assert [source.key for source in sources] == keys
    scan = sources[0]
    assert (scan.kind, scan.path, scan.patient_id) == ("series", tmp_path / "P7" / "scan", "P7")
    assert (scan.series_uid, scan.study_uid, scan.modality) == (series.uid, series.study_uid, "CT")
    assert [each.path for each in scan.slices] == sorted(paths)
    assert {source.kind for source in sources[1:]} == {"file"}
    assert series.uid in str(scan)


def test_series_are_told_apart_by_uid_and_patient_folder(tmp_path: Path) -> None:
    first, second = Series(noise(2, 4, 4)), Series(noise(2, 4, 4))
    for series, name in ((first, "a"), (second, "b")):
        series.write(tmp_path / "P1", suffix=f".{name}.1.2.3")
    first.write(tmp_path / "P2" / "copy")
    # The slices of one series in two folders of a patient.
    for path in sorted((tmp_path / "P2" / "copy").iterdir())[:1]:
        (tmp_path / "P2" / "more").mkdir()
        path.rename(tmp_path / "P2" / "more" / path.name)
    sources, _ = find_sources(tmp_path)
    found = {(source.series_uid, source.path.relative_to(tmp_path).as_posix()) for source in sources}
    assert found == {(first.uid, "P1"), (second.uid, "P1"), (first.uid, "P2")}
    assert [len(source.slices) for source in sources] == [2, 2, 2]


def test_a_segmentation_says_what_it_was_drawn_on(tmp_path: Path) -> None:
    series = Series(noise(2, 4, 4))
    segmentation(series, {"liver": block(2, 4, 4)}).save_as(tmp_path / "seg")
    ((source,), problems) = find_sources(tmp_path)
    assert source.kind == "segmentation"
    assert not problems
    assert source.references == {series.uid: {dataset.SOPInstanceUID for dataset in series.datasets}}


def test_other_files_are_counted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "more.txt").write_text("x")
    contours = Series(noise(1, 2, 2)).datasets[0]
    del contours.Rows
    contours.Modality = "RTSTRUCT"
    contours.save_as(tmp_path / "contours", enforce_file_format=True)
    directory = Series(noise(1, 2, 2)).datasets[0]
    del directory.Rows
    directory.SOPClassUID = directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    directory.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    sources, (problem,) = find_sources(tmp_path)
    assert not sources
    assert problem.severity == "warning"
    assert problem.message == "holds files that are no images and were passed over: 2 x .txt, 1 x DICOM RTSTRUCT"


def test_links_to_nothing_are_named_and_links_to_folders_counted(tmp_path: Path) -> None:
    write_volume(tmp_path / "pool" / "a.nii", noise(2, 3, 4))
    folder = tmp_path / "in"
    Series(noise(2, 4, 4)).write(folder / "P1")
    (folder / "P1" / "IM9999").symlink_to("/nowhere/IM9999")
    for name in ("P2", "P3"):
        (folder / name).symlink_to(tmp_path / "pool")
    sources, problems = find_sources(folder)
    assert [(source.kind, source.unreadable) for source in sources] == [("series", 1)]
    lost, linked = problems
    assert (lost.severity, lost.source) == ("error", folder / "P1" / "IM9999")
    assert "No such file" in lost.message
    assert (linked.severity, linked.source) == ("warning", folder)
    assert linked.message.endswith("passed over: 2 x linked folder (not followed)")


def test_a_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.nii", noise(2, 3, 4))
    lost = tmp_path / os.fsdecode(b"M\xfcller") / "b.nii"
    lost.parent.mkdir()
    lost.touch()
    ((source,), problems) = find_sources(tmp_path)
    assert source.path == tmp_path / "a.nii"
    assert [(problem.severity, problem.source) for problem in problems] == [("error", lost)]
    assert problems[0].message == "its name or that of its folder is not UTF-8: rename it"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("IM9999", b""),
        ("IM9999", b"\0" * 500),
        ("IM9999", b"\xff" * 500),
        ("IM9999", b"\0" * 128 + b"DICM" + b"\xff" * 99),
        ("IM9999.dcm", b""),
        ("IM9999.dcm", b"lost"),
        ("IM9999.dcm", b"\0" * 128 + b"DICM" + b"\xff" * 99),
    ],
)
def test_unreadable_dicom_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    Series(noise(3, 4, 4)).write(tmp_path)
    (tmp_path / name).write_bytes(content)
    sources, problems = find_sources(tmp_path)
    assert [source.unreadable for source in sources] == [1]
    (problem,) = problems
    assert (problem.severity, problem.source) == ("error", tmp_path / name)
    assert problem.message.startswith("is no readable DICOM file: ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
@pytest.mark.parametrize("name", ["VERSION", "0001"])
def test_text_beside_slices_is_no_slice(tmp_path: Path, name: str, encoding: str) -> None:
    Series(noise(3, 4, 4)).write(tmp_path)
    text = "Viewer 3.1, for discs\r\n" + ("" if encoding == "ascii" else "Größe: 3\r\n")
    (tmp_path / name).write_bytes(text.encode(encoding))
    ((source,), (problem,)) = find_sources(tmp_path)
    assert (len(source.slices), source.unreadable) == (3, 0)
    assert problem.severity == "warning"
    assert f"passed over: 1 x {Path(name).suffix or 'no suffix'}" in problem.message


def test_text_in_place_of_a_slice_leaves_a_gap(tmp_path: Path) -> None:
    Series(noise(6, 4, 4)).write(tmp_path)[2].write_text("404: not found")
    ((source,), _) = find_sources(tmp_path)
    with pytest.raises(DefectError, match="1 slices are missing"):
        read_scan(source)


def lock(monkeypatch: pytest.MonkeyPatch, folder: Path, names: tuple[str, ...]) -> None:
    """Have the calls of these names fail below a folder, as for a user who may not read it."""

    def guarded(call: Any) -> Any:
        def answer(path: Any, *args: Any, **options: Any) -> Any:
            if not isinstance(path, int) and Path(os.fspath(path)).is_relative_to(folder):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
            return call(path, *args, **options)

        return answer

    for name in names:
        monkeypatch.setattr(os, name, guarded(getattr(os, name)))


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("P1", "P2", "P3"):
        write_volume(tmp_path / name / "a.nii", noise(2, 3, 4))
    lock(monkeypatch, tmp_path / "P2", ("scandir",))
    sources, (problem,) = find_sources(tmp_path)
    assert [source.key for source in sources] == [("P1", "a"), ("P3", "a")]
    assert (problem.severity, problem.source) == ("error", tmp_path / "P2")
    assert problem.message.startswith("the folder cannot be read, whatever it holds is left out (Permission denied)")


def test_a_file_that_nobody_may_look_at_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("P1", "P2"):
        write_volume(tmp_path / name / "a.nii", noise(2, 3, 4))
    lock(monkeypatch, tmp_path / "P2" / "a.nii", ("stat",))
    ((source,), (problem,)) = find_sources(tmp_path)
    assert source.key == ("P1", "a")
    assert (problem.severity, problem.source) == ("error", tmp_path / "P2" / "a.nii")
    assert problem.message == "cannot be read (Permission denied): allow it"


def test_a_pipe_is_counted_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert [problem.message for problem in find_sources(tmp_path)[1]] == [
        "holds files that are no images and were passed over: 1 x pipe, socket or device"
    ]


def test_a_file_without_the_prefix_is_read_all_the_same(tmp_path: Path) -> None:
    paths = Series(noise(3, 4, 4)).write(tmp_path, suffix=".dcm")
    paths[1].write_bytes(paths[1].read_bytes()[132:])
    ((source,), problems) = find_sources(tmp_path)
    assert not problems
    assert len(source.slices) == 3


def test_a_header_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    paths = Series(noise(2, 4, 4)).write(tmp_path)
    content = paths[0].read_bytes()
    paths[0].write_bytes(content.replace(b"0.8\\0.6 ", b"?.8\\0.6 ").replace(b"0.8\\0.6", b"?.8\\0.6"))
    sources, problems = find_sources(tmp_path)
    assert not sources
    assert "holds a damaged DICOM header" in problems[0].message


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        find_sources(tmp_path / "nowhere")
