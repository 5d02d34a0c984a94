from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import SimpleITK
from PIL import Image

from clinic.builders import turned
from clinic.test_inspection import case
from monai_cwmi.clinic.inspection import Facts
from monai_cwmi.clinic.ledger import Entry, Ledger
from monai_cwmi.clinic.overview import csv_report, draw_case, markdown_report

FACTS = Facts("i", "l", "CT", (40, 30, 20), (0.5, 0.5, 2.0), "LPS", (-1000.0, 1234.5), {1: 1000, 3: 1})
LEDGER = Ledger(
    {"classes": ["liver", "vessel", "lesion"], "label_values": None},
    {"case_0001": Entry("patient_0001", "test", FACTS), "case_0002": Entry("patient_0001", "test", FACTS)},
)


def test_the_table_tells_sizes_and_volumes() -> None:
    titles, row, _ = csv.reader(io.StringIO(csv_report(LEDGER)))
    assert dict(zip(titles, row, strict=True)) == {
        "case": "case_0001",
        "patient": "patient_0001",
        "section": "test",
        "modality": "CT",
        "size": "40 x 30 x 20",
        "spacing (mm)": "0.5 x 0.5 x 2",
        "orientation": "LPS",
        "intensity": "-1000 to 1234.5",
        "liver (voxels)": "1000",
        "liver (ml)": "0.50",  # 1000 voxels of half a microlitre
        "vessel (voxels)": "0",
        "vessel (ml)": "0.00",
        "lesion (voxels)": "1",
        "lesion (ml)": "0.00",
    }


def test_markdown_holds_table_and_pictures() -> None:
    lines = markdown_report(LEDGER).splitlines()
    assert "* test: 2 cases of 1 patients" in lines
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 4
    assert len({row.count("|") for row in rows}) == 1
    assert set(rows[1]) == set("| -")
    assert "![case_0002](case_0002.png)" in lines


def test_the_picture_shows_the_label_upright(tmp_path: Path) -> None:
    # A mark at the patient's right, front and head, in an image whose axes point elsewhere.
    label = SimpleITK.Image((30, 30, 30), SimpleITK.sitkUInt8)
    cosines = np.asarray(turned(0, 0, 180))
    label.SetDirection(np.column_stack([*cosines, np.cross(*cosines)]).ravel().tolist())
    # The axes point right, front and head.
    label[24:28, 24:28, 24:28] = 1
    image = SimpleITK.Cast(label, SimpleITK.sitkInt16)
    draw_case(image, label, tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    rows, columns = picture.shape[0] // 2, picture.shape[1] // 3
    for index, side in enumerate(["left", "left", "right"]):  # axial, coronal, and sagittal with the front on the right
        panel = picture[rows:, index * columns : (index + 1) * columns]
        coloured = np.argwhere(np.ptp(panel, axis=2) > 40)
        assert coloured.size
        row, column = coloured.mean(0) / panel.shape[:2]
        assert row < 0.3
        assert (column < 0.3) == (side == "left")
        assert (column > 0.7) == (side == "right")
    assert not (np.ptp(picture[: rows - 2], axis=2) > 40).any()


def test_an_empty_label_is_drawn_too(tmp_path: Path) -> None:
    image = SimpleITK.Image((5, 6, 7), SimpleITK.sitkInt16)
    draw_case(image, SimpleITK.Cast(image, SimpleITK.sitkUInt8), tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").size == (900, 600)


def test_no_case_is_a_report_too() -> None:
    assert case("a").facts is not None
    assert "Prepared cases" in markdown_report(Ledger({"classes": None, "label_values": None}, {}))
