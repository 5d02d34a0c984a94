from __future__ import annotations

import csv
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clinic.builders import block, noise
from clinic.test_inspection import case, files
from clinic.test_ledger import SETTINGS
from monai_cwmi.clinic import writing
from monai_cwmi.clinic.inspection import inspect_case
from monai_cwmi.clinic.ledger import Ledger, enrol
from monai_cwmi.clinic.segmentations import Classes
from monai_cwmi.clinic.writing import case_paths, is_written, write_cases, write_key, write_text


def test_only_what_is_missing_is_written(tmp_path: Path) -> None:
    found = inspect_case(files(tmp_path / "in", noise(4, 5, 6), block(4, 5, 6)), Classes())
    folder = tmp_path / "out"
    assert write_cases(folder, {"case_0001": found}, Classes()) == (1, {})
    image, label, picture = case_paths(folder, "case_0001")
    assert is_written(folder, "case_0001")
    content = label.read_bytes()
    image.write_text("kept as it is")
    label.unlink()
    assert not is_written(folder, "case_0001")
    assert write_cases(folder, {"case_0001": found}, Classes()) == (1, {})
    assert write_cases(folder, {"case_0001": found}, Classes()) == (0, {})
    assert image.read_text() == "kept as it is"
    assert label.read_bytes() == content
    assert picture.is_file()
    assert not any((folder / "partial").iterdir())


def test_a_file_that_failed_has_not_its_name(tmp_path: Path) -> None:
    write_text(tmp_path, "a/b.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path, "a/b.txt", "half \ud800")
    assert (tmp_path / "a" / "b.txt").read_text() == "old"


def fill_disk(path: Path) -> None:
    """Have whatever is written to a path find no space left on the device."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/dev/full")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("kind", [0, 1, 2], ids=["image", "label", "picture"])
def test_what_does_not_fit_on_the_disk_is_named_and_the_others_go_on(
    tmp_path: Path, kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("case_0001", "case_0002")
    cases = {name: inspect_case(files(tmp_path / name, noise(4, 5, 6), block(4, 5, 6)), Classes()) for name in names}
    folder = tmp_path / "out"
    full = case_paths(folder, "case_0001")[kind]
    write_whole = writing._write_whole

    def write_to_full_disk(unfinished: Path, path: Path, write: Any) -> None:
        if path == full:
            fill_disk(unfinished)
        write_whole(unfinished, path, write)

    monkeypatch.setattr(writing, "_write_whole", write_to_full_disk)
    number, problems = write_cases(folder, cases, Classes())
    assert number == 1
    (problem,) = problems.values()
    assert (problem.severity, problem.source) == ("error", tmp_path / "case_0001" / "image.nrrd")
    assert re.search(r"could not be written as case_0001 .*No space left on device.*give the command", problem.message)
    assert not full.exists()
    assert is_written(folder, "case_0002")
    monkeypatch.undo()
    assert write_cases(folder, cases, Classes()) == (1, {})
    assert all(is_written(folder, name) for name in names)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_text_and_key_that_do_not_fit_are_not_there(tmp_path: Path) -> None:
    fill_disk(tmp_path / "partial" / "a.csv")
    with pytest.raises(OSError, match=r"a\.csv cannot be written: .*No space left"):
        write_text(tmp_path, "report/a.csv", "1,2\n")
    assert not (tmp_path / "report" / "a.csv").exists()


def test_a_key_that_failed_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError("No space left on device")

    cases = [case("x", patient="Jane Doe")]
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"key\.csv cannot be written: No space left"):
        write_key(tmp_path / "key.csv", enrol(Ledger(SETTINGS, {}), cases), cases)
    assert not list(tmp_path.iterdir())


def test_a_scan_that_is_gone_before_it_is_written_is_named(tmp_path: Path) -> None:
    cases = {
        f"case_{index:04}": inspect_case(files(tmp_path / str(index), noise(4, 5, 6), block(4, 5, 6)), Classes())
        for index in (1, 2)
    }
    cases["case_0001"].pair.image.path.unlink()
    number, problems = write_cases(tmp_path / "out", cases, Classes())
    assert (number, list(problems)) == (1, ["case_0001"])
    assert "could not be written as case_0001 (DefectError: cannot be read" in problems["case_0001"].message


def test_text_is_utf8_wherever_it_is_written(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from monai_cwmi.clinic.writing import write_text
write_text(Path("out"), "a.txt", "L\\u00e4sion")
"""
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "out" / "a.txt").read_bytes() == "L\u00e4sion".encode()


def test_the_key_is_private_and_never_overwritten(tmp_path: Path) -> None:
    cases = [case("x", patient="Jane Doe")]
    ledger = enrol(Ledger(SETTINGS, {}), cases)
    path = tmp_path / "safe" / "key.csv"
    write_key(path, ledger, cases)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(newline="") as file:
        assert list(csv.reader(file))[1] == ["case_0001", "patient_0001", "Jane Doe", "x.nii", "x_seg.nii"]
    with pytest.raises(FileExistsError):
        write_key(path, ledger, cases)
