"""What :func:`prepare_dataset` does with a folder that it has written to before."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clinic.builders import block, noise, write_volume
from clinic.test_dataset import SHAPE, cohort, tree
from monai_cwmi.clinic import prepare_dataset

pytestmark = pytest.mark.slow


def test_a_rerun_changes_nothing_and_new_scans_follow(tmp_path: Path) -> None:
    images, labels = cohort(tmp_path, 6)
    prepare_dataset(images, labels, tmp_path / "out")
    before = tree(tmp_path / "out")
    assert prepare_dataset(images, labels, tmp_path / "out").written == 0
    assert tree(tmp_path / "out") == before
    cohort(tmp_path, 3, start=7)
    assert prepare_dataset(images, labels, tmp_path / "out").written == 3
    after = tree(tmp_path / "out")
    renewed = {"datalist.json", "cases.json", "report/cases.csv", "report/report.md"}
    assert {name for name in before if before[name] != after[name]} == renewed
    assert len(after) == len(before) + 9
    lists = [json.loads(content["datalist.json"]) for content in (before, after)]
    for section in ("training", "validation", "test"):
        assert all(case in lists[1][section] for case in lists[0][section])


def test_a_label_that_was_corrected_later_is_named_and_not_overwritten(tmp_path: Path) -> None:
    images, labels = cohort(tmp_path, 3)
    prepare_dataset(images, labels, tmp_path / "out")
    before = tree(tmp_path / "out")
    write_volume(labels / "P2.nii.gz", 1 - block(*SHAPE))
    summary = prepare_dataset(images, labels, tmp_path / "out")
    assert "labels/P2.nii.gz: the label is not the one that case_000" in str(summary)
    assert tree(tmp_path / "out") == before


def test_scans_that_are_gone_stop_new_ones(tmp_path: Path) -> None:
    images, labels = cohort(tmp_path, 3)
    prepare_dataset(images, labels, tmp_path / "out")
    before = tree(tmp_path / "out")
    for folder in (images, labels):
        (folder / "P1.nii.gz").unlink()
    assert prepare_dataset(images, labels, tmp_path / "out").left_out == 0
    cohort(tmp_path, 1, start=4)
    summary = prepare_dataset(images, labels, tmp_path / "out")
    assert "from an earlier run are not in the input" in str(summary)
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize("last", ["partial/case_0002.nii.gz", "labelsTr/case_0003.nii.gz"])
def test_a_killed_run_is_continued(tmp_path: Path, last: str) -> None:
    images, labels = cohort(tmp_path, 5, shape=(40, 120, 120))
    command = [sys.executable, "-m", "monai_cwmi", "prepare-dataset", "--images", str(images), "--labels", str(labels)]
    out = tmp_path / "out"
    process = subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / last).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "datalist.json").exists()
    left = tree(out)
    summary = prepare_dataset(images, labels, out)
    assert 0 < summary.written < 5
    prepare_dataset(images, labels, tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")
    assert {name: content for name, content in tree(out).items() if name in left and "partial" not in name} == {
        name: content for name, content in left.items() if "partial" not in name
    }


def test_a_copy_changes_neither_the_data_set_nor_the_key(tmp_path: Path) -> None:
    images, labels = cohort(tmp_path, 3)
    for number in range(2):
        key = tmp_path / f"key{number}.csv"
        prepare_dataset(images, labels, tmp_path / "out", patient_pattern=r"P\d", key=key)
        rows = list(csv.reader(key.read_text().splitlines()))
        assert [Path(row[3]).name for row in rows[1:]].count("P1.nii.gz") == 1
        before = tree(tmp_path / "out")
        for folder in (images, labels):
            shutil.copy(folder / "P1.nii.gz", folder / "P1_copy.nii.gz")
    summary = prepare_dataset(images, labels, tmp_path / "out", patient_pattern=r"P\d")
    assert (summary.written, summary.left_out) == (0, 1)
    assert tree(tmp_path / "out") == before


def test_a_copy_under_another_patient_stops_new_scans(tmp_path: Path) -> None:
    images, labels = cohort(tmp_path, 3)
    prepare_dataset(images, labels, tmp_path / "out", patient_pattern="[PQ].")
    before = tree(tmp_path / "out")
    write_volume(images / "P1_b.nii.gz", noise(*SHAPE, seed=9))
    write_volume(labels / "P1_b.nii.gz", 1 - block(*SHAPE))
    for folder in (images, labels):
        shutil.copy(folder / "P1.nii.gz", folder / "Q1.nii.gz")
    summary = prepare_dataset(images, labels, tmp_path / "out", patient_pattern="[PQ].")
    assert "from an earlier run are under several patients now" in str(summary)
    assert tree(tmp_path / "out") == before


def test_the_pattern_of_patients_must_be_the_same(tmp_path: Path) -> None:
    images, labels = cohort(tmp_path, 3)
    prepare_dataset(images, labels, tmp_path / "out", patient_pattern="P.")
    assert "P." not in (tmp_path / "out" / "cases.json").read_text()
    for pattern in (None, "P"):
        with pytest.raises(ValueError, match="was prepared with patient_pattern_sha256"):
            prepare_dataset(images, labels, tmp_path / "out", patient_pattern=pattern)
