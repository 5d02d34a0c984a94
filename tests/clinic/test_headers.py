"""Text headers without sizes, which ITK takes for 1 mm, and in other units than mm, which it does not look at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import SimpleITK

from clinic.builders import noise, write_volume
from monai_cwmi.clinic.headers import header_defects
from monai_cwmi.clinic.problems import DefectError
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.sources import Source


def header(folder: Path, suffix: str, pattern: str = "", text: str = "") -> Path:
    """A header beside its voxels, in which something else stands for a pattern."""
    path = write_volume(folder / f"a{suffix}", noise(3, 4, 5))
    content, number = re.subn(f"(?m){pattern}", text, path.read_text()) if pattern else (path.read_text(), 1)
    assert number == 1
    path.write_text(content)
    return path


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
def test_what_simpleitk_writes_has_no_defect(tmp_path: Path, suffix: str) -> None:
    assert header_defects(write_volume(tmp_path / f"a{suffix}", noise(3, 4, 5))) == []


@pytest.mark.parametrize("suffix", [".MHA", ".Nrrd"])
def test_suffixes_may_have_any_case(tmp_path: Path, suffix: str) -> None:
    array = noise(3, 4, 5)
    path = write_volume(tmp_path / f"a{suffix.lower()}", array).rename(tmp_path / f"A{suffix}")
    assert (SimpleITK.GetArrayFromImage(read_scan(Source(path, ("A",)))) == array).all()


@pytest.mark.parametrize(
    ("suffix", "pattern", "text", "message"),
    [
        (".mhd", r"^ElementSpacing.*\n", "", r"the size of its voxels is not known \(no ElementSpacing\)"),
        (".mhd", r"^ElementSpacing.*$", "ElementSpacing = 1 1 0", r"not known \(ElementSpacing: 1 1 0\)"),
        (".mhd", r"^ElementSpacing.*$", "ElementSpacing = 1 1 -2", r"not known \(ElementSpacing: 1 1 -2\)"),
        (".mhd", r"^ElementSpacing", "DistanceUnits = um\nElementSpacing", "its lengths are in um, which SimpleITK"),
        (".mhd", r"^(TransformMatrix = .*) 0 1$", r"\1 0.5 1", "its axes are not at right angles: sheared by"),
        (".nhdr", r"^space.*\n(sizes.*\n)space.*\n(kinds(.*\n)+)space.*\n", r"\1\2", r"not known \(no spacings\)"),
        (".nhdr", r"^space directions", 'space units: "um" "um" "um"\nspace directions', "its lengths are in um"),
        (".nhdr", r"\(0,0,2.5\)", "(0,1,2.5)", "its axes are not at right angles: sheared by 22 degrees"),
        (".nhdr", r"\(0,0,2.5\)", "(0,0,nan)", "cannot be read"),
    ],
)
def test_what_is_missing_or_strange_is_refused(
    tmp_path: Path, suffix: str, pattern: str, text: str, message: str
) -> None:
    path = header(tmp_path, suffix, pattern, text)
    with pytest.raises(DefectError, match=message):
        read_scan(Source(path, ("a",)))
