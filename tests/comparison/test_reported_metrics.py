from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from comparison.conftest import MakeResults
from comparison.test_plan import make_plan
from monai_cwmi.comparison import write_report
from monai_cwmi.comparison.plan import assemble, keep_plan
from monai_cwmi.comparison.reported_metrics import METRICS, Masks, Metric
from monai_cwmi.comparison.scoring import as_classes, score

PREDICTION = torch.zeros(1, 6, 6)
PREDICTION[0, 1:5, 1:4] = 1  # 12 pixels
TARGET = torch.zeros(1, 6, 6)
TARGET[0, 1:5, 1:5] = 1  # 16 pixels


def _missed(masks: Masks) -> torch.Tensor:
    return (masks.truth & ~masks.inside).sum()


def _score() -> dict[str, float]:
    return score(as_classes(PREDICTION, TARGET, 2), foreground=1, component_value=0)


@pytest.fixture
def _with_missed_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "missed", Metric("missed pixels", False, 1, "px\u00b2", _missed))


@pytest.mark.usefixtures("_with_missed_pixels")
def test_an_entry_is_all_that_a_new_metric_needs(tmp_path: Path, make_results: MakeResults) -> None:
    assert _score()["missed"] == 4
    plan = make_plan("CE")
    (tmp_path / "empty").mkdir()
    results, _ = assemble(tmp_path / "empty", keep_plan(tmp_path / "empty", plan, {}))
    assert "missed" in pd.read_csv(results).columns
    assert '"missed"' in (tmp_path / "empty" / "plan.json").read_text()

    out = make_results(["CE", "CWMI"], seeds=[0, 1], folds=1, metrics=list(METRICS))
    write_report(out)
    heading = "missed pixels (px\u00b2) \u2193"
    assert heading in (out / "table.md").read_text()
    assert "missed pixels" in (out / "table.tex").read_text()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert heading in page.partition("Advantage of CWMI")[2]
    differences = pd.read_csv(out / "differences.csv").set_index("metric")
    scores = pd.read_csv(out / "results.csv").groupby("loss")["missed"].mean()
    # Fewer are better, so the advantage is that of the rival's larger number.
    assert differences.loc["missed", "advantage"] == pytest.approx(scores["CE"] - scores["CWMI"])


def test_a_metric_that_is_not_in_the_table_is_computed_nowhere(make_results: MakeResults) -> None:
    assert "missed" not in _score()
    out = make_results(["CE", "CWMI"], seeds=[0], folds=1, metrics=["miou", "missed"])
    with pytest.raises(ValueError, match=r"plan\.json lists metrics that are unknown.*: missed"):
        write_report(out)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_gives_one_finite_number(name: str) -> None:
    scored = as_classes(PREDICTION, TARGET, 2)
    inside, truth = (each[:, 1:] for each in (scored.prediction, scored.target))
    value = METRICS[name].compute(Masks(scored.prediction, scored.target, inside, truth, scored.labelled, 1))
    assert value.numel() == 1
    assert value.isfinite().all()


def test_overlap_by_hand() -> None:
    values = _score()
    assert values["miou"] == pytest.approx((12 / 16 + 20 / 24) / 2)
    assert values["mdice"] == pytest.approx((24 / 28 + 40 / 44) / 2)
    assert values["betti0"] == values["betti1"] == 0
    assert values["surface_dice"] == 1  # no point of a surface is more than a pixel away


def test_headings() -> None:
    assert METRICS["miou"].heading == "mIoU \u2191"
    assert METRICS["mhd"].heading == "HD (modified, px) \u2193"
