from __future__ import annotations

import csv
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from clinic.builders import block, noise
from clinic.test_inspection import case, files
from clinic.test_ledger import SETTINGS
from monai_cwmi.clinic.inspection import inspect_case
from monai_cwmi.clinic.ledger import Ledger, enrol
from monai_cwmi.clinic.segmentations import Classes
from monai_cwmi.clinic.writing import case_paths, is_written, write_cases, write_key, write_text


def test_only_what_is_missing_is_written(tmp_path: Path) -> None:
    found = inspect_case(files(tmp_path / "in", noise(4, 5, 6), block(4, 5, 6)), Classes())
    folder = tmp_path / "out"
    assert write_cases(folder, {"case_0001": found}, Classes()) == 1
    image, label, picture = case_paths(folder, "case_0001")
    assert is_written(folder, "case_0001")
    content = label.read_bytes()
    image.write_text("kept as it is")
    label.unlink()
    assert not is_written(folder, "case_0001")
    assert write_cases(folder, {"case_0001": found}, Classes()) == 1
    assert write_cases(folder, {"case_0001": found}, Classes()) == 0
    assert image.read_text() == "kept as it is"
    assert label.read_bytes() == content
    assert picture.is_file()
    assert not any((folder / "partial").iterdir())


def test_a_file_that_failed_has_not_its_name(tmp_path: Path) -> None:
    write_text(tmp_path, "a/b.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path, "a/b.txt", "half \ud800")
    assert (tmp_path / "a" / "b.txt").read_text() == "old"


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
