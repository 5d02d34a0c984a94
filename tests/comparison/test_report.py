from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comparison.conftest import MakeResults
from monai_cwmi.comparison import write_report
from monai_cwmi.comparison.cell_files import Cell, cell_folder
from monai_cwmi.comparison.paired_tests import paired_differences
from monai_cwmi.comparison.reported_metrics import METRICS

FEW = ["miou", "betti0"]  # draw faster


class _Page(HTMLParser):
    """Text, pictures, and whatever a page would load; fails on tags that do not match."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data if self.open and self.open[-1] != "style" else ""

    def pictures(self) -> list[bytes]:
        sources = [value for name, value in self.attributes if name == "src"]
        return [base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in sources]


@pytest.mark.slow
def test_all_that_is_written(make_results: MakeResults) -> None:
    out = make_results()
    written = write_report(out)
    names = ["table.md", "table.tex", "differences.csv", "differences.png", "examples.png", "report.html"]
    assert written == [out / name for name in names]
    results = pd.read_csv(out / "results.csv")
    differences = pd.read_csv(out / "differences.csv")
    assert list(differences["metric"].unique()) == list(METRICS)
    expected = paired_differences(results, "CWMI", ["CE", "Dice"], ["miou", "mdice"])
    pd.testing.assert_frame_equal(differences[:4], expected)
    table = (out / "table.md").read_text()
    titles = "mIoU ↑ | mDice ↑ | VI (bits) ↓ | ARI ↑ | HD (modified, px) ↓ |\n"
    assert f"| loss | {titles}" in table
    assert f"**{results[results.loss == 'CWMI'].miou.mean():.3f} ±" in table
    assert "+0.50 (+20 %)" in table  # CWMI's costs beside those of CE
    assert (out / "table.tex").read_text().count(r"\begin{tabular}") == 4

    page = _Page(out / "report.html")
    assert page.pictures() == [(out / name).read_bytes() for name in ("differences.png", "examples.png")]
    assert "script" not in page.seen
    assert not {"href", "srcset", "data"} & {name for name, _ in page.attributes}
    for text in (
        *("rings_segmentation", "Baseline: CWMI", "All 18 trainings are complete", "2 folds, seeds 0, 1, 2"),
        *(metric.heading for metric in METRICS.values()),
        *("first weights: identical (6 compared)", "first batches of the epochs: identical (6 compared)"),
        *('{"loss": {"_target_": "Dice"}, "maps": [], "starts": {}}', "images of fold 1 4 test", "torch 2.6.0"),
        *("Satterthwaite", "Holm"),
    ):
        assert text in page.text, text


@pytest.mark.slow
def test_the_same_files_twice(make_results: MakeResults) -> None:
    out = make_results(["CE", "CWMI"], folds=1, images=2, metrics=FEW)
    first = [path.read_bytes() for path in write_report(out)]
    assert [path.read_bytes() for path in write_report(out)] == first


def test_missing_trainings_are_named(make_results: MakeResults) -> None:
    missing = [Cell("CE", 1, 2), Cell("CWMI", 0, 1)]
    out = make_results(["CE", "CWMI"], missing=missing, metrics=FEW)
    partial = cell_folder(out, missing[0])
    partial.with_name(partial.name + ".partial").mkdir()
    write_report(out)
    text = _Page(out / "report.html").text
    assert "2 of 12 trainings are missing." in text
    log = Path("cells", "CE", "fold1_seed2.partial", "log.txt")
    assert f"CE, fold 1, seed 2: failed or was interrupted, see {log}" in text
    assert "CWMI, fold 0, seed 1: has not been run" in text
    assert "CE (5 of 6 trainings)" in (out / "table.md").read_text()


def test_one_loss_one_seed_one_image(make_results: MakeResults) -> None:
    out = make_results(["CE"], seeds=[0], folds=1, images=1)
    assert [path.name for path in write_report(out)][3:] == ["examples.png", "report.html"]
    assert pd.read_csv(out / "differences.csv").empty
    text = _Page(out / "report.html").text
    assert "nothing to compare it with" in text
    assert "first batches of the epochs: nothing to compare" in text
    assert "Not held out" not in text


def test_one_seed_and_one_image_of_two_losses(make_results: MakeResults) -> None:
    out = make_results(["CE", "CWMI"], seeds=[0], folds=1, images=1, metrics=["miou"])
    assert len(write_report(out)) == 6
    differences = pd.read_csv(out / "differences.csv")
    assert list(differences["holds_for"]) == ["these only"]
    assert differences["p"].isna().all()


def test_volumes_and_no_metric_of_the_paper(make_results: MakeResults) -> None:
    out = make_results(["CE", "CWMI"], seeds=[0], folds=1, shape=(24, 32, 3), metrics=["assd"])
    assert len(write_report(out)) == 6


def test_nothing_is_complete_yet(make_results: MakeResults) -> None:
    cells = [Cell(loss, 0, 0) for loss in ("CE", "CWMI")]
    out = make_results(["CE", "CWMI"], seeds=[0], folds=1, missing=cells, metrics=FEW)
    assert [path.name for path in write_report(out)] == ["table.md", "table.tex", "differences.csv", "report.html"]
    text = _Page(out / "report.html").text
    assert "2 of 2 trainings are missing" in text
    assert "There are none yet" in text


def test_the_baseline_is_not_complete_yet(make_results: MakeResults) -> None:
    out = make_results(["CE", "CWMI"], seeds=[0], folds=1, missing=[Cell("CWMI", 0, 0)], metrics=FEW)
    assert "differences.png" not in [path.name for path in write_report(out)]


@pytest.mark.parametrize("name", ["NA", "a|b_$x^{ \\<script>alert(1)</script>&amp;", "1e5"])
def test_any_name(make_results: MakeResults, name: str) -> None:
    out = make_results([name, "CWMI"], seeds=[0], folds=1, images=2, metrics=["miou"])
    write_report(out)
    page = _Page(out / "report.html")
    assert page.text.count(name) >= 4
    assert "script" not in page.seen
    assert list(pd.read_csv(out / "differences.csv", dtype=str, keep_default_na=False)["rival"]) == [name]


def test_values_that_are_not_finite(make_results: MakeResults) -> None:
    out = make_results(["CE", "CWMI"], metrics=["miou", "mhd"])
    results = pd.read_csv(out / "results.csv")
    results.loc[results.index[:3], "mhd"] = [np.inf, np.nan, np.inf]
    results.to_csv(out / "results.csv", index=False)
    write_report(out)
    assert "3 of 24 not finite, left out" in (out / "table.md").read_text()
    assert "3 of 24 not finite, left out" in _Page(out / "report.html").text
    differences = pd.read_csv(out / "differences.csv").set_index("metric")
    assert (differences.loc["mhd", "images"], differences.loc["mhd", "left_out"]) == (5, 3)
    assert differences.loc["miou", "left_out"] == 0


def test_conditions_that_were_not_equal(make_results: MakeResults) -> None:
    out = make_results(["CE", "CWMI"], seeds=[0], folds=2, images=2, metrics=["miou"])
    costs = pd.read_csv(out / "costs.csv", dtype=str)
    # As numbers both would be infinite and the same.
    costs.loc[(costs["loss"] == "CE") & (costs["fold"] == "1"), ["weights_digest", "device"]] = ["99e9999", "cuda"]
    costs.to_csv(out / "costs.csv", index=False)
    write_report(out)
    text = _Page(out / "report.html").text
    assert "first weights: different seed 0, fold 1: CE 99e9999, CWMI 0134e5678901234" in text
    assert "device: different seed 0, fold 1: CE cuda, CWMI cpu" in text
    assert "first batches of the epochs: identical (2 compared)" in text


def test_test_images_that_the_models_were_chosen_on(make_results: MakeResults) -> None:
    out = make_results(["CE"], seeds=[0], folds=1, images=1, metrics=["miou"])
    plan = json.loads((out / "plan.json").read_text())
    cases = [{"image": "a.png"}, {"image": "b.png"}]
    plan["settings"]["sections"] = [{"training": [{"image": "c.png"}], "validation": cases[1:], "test": cases}]
    (out / "plan.json").write_text(json.dumps(plan))
    write_report(out)
    text = _Page(out / "report.html").text
    assert "Not held out" in text
    assert "fold 0: 1 of 2 test images are in the validation section too" in text
    assert "in the training section too" not in text


def test_what_does_not_belong_together(make_results: MakeResults, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no plan\.json"):
        write_report(tmp_path)
    out = make_results(["CE", "CWMI"], metrics=FEW)
    plan = json.loads((out / "plan.json").read_text())
    results = (out / "results.csv").read_text()

    (out / "results.csv").write_text(results + results.splitlines()[-1] + "\n")
    with pytest.raises(ValueError, match="two rows for the same loss, seed, fold and image"):
        write_report(out)
    (out / "results.csv").write_text(results)
    (out / "plan.json").write_text(json.dumps(plan | {"losses": {"CWMI": {}}}))
    with pytest.raises(ValueError, match=r"losses that plan\.json does not have: CE"):
        write_report(out)
    for metrics in (["ari"], ["nonsense"]):
        (out / "plan.json").write_text(json.dumps(plan | {"metrics": metrics}))
        with pytest.raises(ValueError, match=metrics[0]):
            write_report(out)
