from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from monai_cwmi.comparison.paired_tests import paired_differences
from monai_cwmi.comparison.result_tables import (
    Entry,
    Table,
    advantage_table,
    cost_table,
    metric_table,
    to_latex,
    to_markdown,
)

AWKWARD = r"a|b_*c* <i>&amp; $x$ ~`\{}^%#[1]" + "\n2"


def _results(values: dict[str, list[list[float]]], metric: str = "miou") -> pd.DataFrame:
    """A row for each value of a loss's trainings, each of which is a seed."""
    rows = [
        (loss, seed, 0, f"{image}.png", value)
        for loss, trainings in values.items()
        for seed, scores in enumerate(trainings)
        for image, value in enumerate(scores)
    ]
    return pd.DataFrame(rows, columns=["loss", "seed", "fold", "image", metric])


def _entries(table: Table) -> dict[str, list[Entry]]:
    return {row[0].text: row[1:] for row in table.rows}


def test_mean_is_over_images_and_spread_over_trainings() -> None:
    values = {"CE": [[0.2, 0.4], [0.6, 0.8, 0.7]], "CWMI": [[0.9, 0.8], [0.7, 0.7, 0.7]]}
    table = metric_table(_results(values), {"CE": 2, "CWMI": 2}, ["miou"])
    assert table.columns == ["loss", "mIoU ↑"]
    spread = np.std([0.3, 0.7], ddof=1)
    assert _entries(table) == {
        "CE": [Entry(f"{np.mean([0.2, 0.4, 0.6, 0.8, 0.7]):.3f} ± {spread:.3f}")],
        "CWMI": [Entry(f"0.760 ± {np.std([0.85, 0.7], ddof=1):.3f}", is_bold=True)],
    }


def test_folds_are_trainings_too() -> None:
    results = _results({"CE": [[0.1, 0.3]]})
    results["fold"] = [0, 1]
    (entry,) = _entries(metric_table(results, {"CE": 2}, ["miou"]))["CE"]
    assert entry.text == f"0.200 ± {np.std([0.1, 0.3], ddof=1):.3f}"


@pytest.mark.parametrize(("metric", "best"), [("miou", "high"), ("vi", "low"), ("betti0", "low"), ("cldice", "high")])
def test_best_is_bold_by_the_direction_of_the_metric(metric: str, best: str) -> None:
    values = {"low": [[1.0]], "middle": [[2.0]], "high": [[3.0]]}
    entries = _entries(metric_table(_results(values, metric), dict.fromkeys(values, 1), [metric]))
    assert [loss for loss, (entry,) in entries.items() if entry.is_bold] == [best]
    assert all("±" not in entry.text for (entry,) in entries.values())  # one training has no spread


def test_what_looks_the_same_is_bold_together() -> None:
    values = {"a": [[0.50001]], "b": [[0.50002]], "c": [[0.4]]}
    entries = _entries(metric_table(_results(values), dict.fromkeys(values, 1), ["miou"]))
    assert [entry.is_bold for (entry,) in entries.values()] == [True, True, False]


def test_a_loss_by_itself_is_not_the_best() -> None:
    assert not _entries(metric_table(_results({"a": [[0.5]]}), {"a": 1}, ["miou"]))["a"][0].is_bold


def test_values_that_are_not_finite_are_counted_and_win_nothing() -> None:
    values = {
        "a": [[0.1, np.inf], [np.nan, 0.3]],
        "b": [[2.0, 2.0]] * 2,
        "c": [[3.0, 3.0]] * 2,
        "d": [[np.inf] * 2] * 2,
    }
    entries = _entries(metric_table(_results(values, "mhd"), dict.fromkeys(values, 2), ["mhd"]))
    assert entries["a"] == [Entry("0.20 ± 0.14", "2 of 4 not finite, left out")]
    assert entries["b"][0].is_bold
    assert entries["d"] == [Entry("n/a", "4 of 4 not finite, left out")]


def test_an_incomplete_loss_says_so_and_wins_nothing() -> None:
    values = {"a": [[0.9]], "b": [[0.5], [0.5]], "c": [[0.4], [0.4]]}
    table = metric_table(_results(values), {**dict.fromkeys(values, 2), "d": 2}, ["miou"])
    assert [row[0].note for row in table.rows] == ["1 of 2 trainings", "", "", "0 of 2 trainings"]
    assert [row[1].is_bold for row in table.rows] == [False, True, False, False]
    assert table.rows[3][1].text == "n/a"


def _costs(seconds: dict[str, list[float]], peak: float = 100.4) -> pd.DataFrame:
    rows = [(loss, seed, 0, time, peak + seed) for loss, times in seconds.items() for seed, time in enumerate(times)]
    return pd.DataFrame(rows, columns=["loss", "seed", "fold", "seconds_per_epoch", "peak_memory_mib"])


def test_costs() -> None:
    table = cost_table(_costs({"CE": [2.0, 3.0], "CWMI": [2.5, 3.25]}), ["CE", "CWMI", "Dice"], "CE")
    assert table.columns == ["loss", "seconds per epoch", "difference to CE", "peak memory (MiB)"]
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["CE", "2.50 ± 0.71", "+0.00 (+0 %)", "101"],
        ["CWMI", "2.88 ± 0.53", "+0.38 (+15 %)", "101"],
        ["Dice", "n/a", "n/a", "n/a"],
    ]


def test_a_difference_of_costs_is_over_common_trainings() -> None:
    # The reference has a slow training that the other has not.
    costs = _costs({"CE": [2.0, 30.0], "CWMI": [1.0]}, peak=np.nan)
    (_, seconds, difference, peak) = cost_table(costs, ["CWMI", "CE"], "CE").rows[0]
    assert (seconds.text, difference.text, peak.text) == ("1.00", "\N{MINUS SIGN}1.00 (\N{MINUS SIGN}50 %)", "n/a")


def test_costs_of_nothing() -> None:
    (row,) = cost_table(_costs({}), ["CE"], "CE").rows
    assert [entry.text for entry in row] == ["CE", "n/a", "n/a", "n/a"]


def test_advantages() -> None:
    generator = np.random.default_rng(0)
    values = {"ours": 0.9, "far": 0.1, "near": 0.9}
    noisy = {name: (value + 0.01 * generator.normal(size=(3, 6))).tolist() for name, value in values.items()}
    differences = paired_differences(_results(noisy), "ours", ["far", "near", "none"], ["miou"])
    table = advantage_table(differences, ["miou"], "ours")
    assert "baseline minus rival, signed so that positive is in the baseline's favour" in table.caption
    assert table.columns == ["rival", "mIoU ↑"]
    (far,), (near,), (none,) = _entries(table).values()
    row = differences.iloc[0]
    assert far == (f"{row['advantage']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]", "", True)
    assert not near.is_bold
    assert none == ("n/a", "6 images left out; holds for these only", False)


def test_markdown() -> None:
    table = Table("What it shows.", ["loss", "x"], [[Entry("a", "note"), Entry("1", is_bold=True)]])
    assert to_markdown(table) == "What it shows.\n\n| loss | x |\n| --- | --- |\n| a (note) | **1** |\n"


def test_no_name_breaks_markdown() -> None:
    line = to_markdown(Table("", [AWKWARD], [[Entry(AWKWARD, AWKWARD)]])).splitlines()[-1]
    assert len(re.findall(r"(?<!\\)\|", line)) == 2
    for sign in r"*_<>`[]$&~":
        assert not re.search(rf"(?<!\\){re.escape(sign)}", line)
    shown = re.sub(r"\\([\\`*_\[\]<>|~$&])", r"\1", line)
    assert shown == f"| {' '.join(AWKWARD.split())} ({' '.join(AWKWARD.split())}) |"


def test_latex() -> None:
    table = Table("5 % of a_b", ["loss", "VI (bits) ↓"], [[Entry("a"), Entry("1 ± 2", "3 & 4", is_bold=True)]])
    assert to_latex(table).splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{5 \% of a\_b}",
        r"\begin{tabular}{lr}",
        r"\hline",
        r"loss & VI (bits) $\downarrow$ \\",
        r"\hline",
        r"a & \textbf{1 $\pm$ 2} (3 \& 4) \\",
        r"\hline",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_no_name_breaks_latex() -> None:
    line = to_latex(Table("", ["x", "y"], [[Entry(AWKWARD), Entry("[1]")]])).splitlines()[7]
    body = line.removesuffix(r" \\")
    assert len(re.findall(r"(?<!\\)&", body)) == 1  # that between the columns
    commands = re.sub(r"\\(textbackslash|textasciicircum|textasciitilde)\{\}|\\[{}$&#_%]|\$[<>|]\$|\{[\[*]\}", "", body)
    assert not re.search(r"[\\{}$#_%^~<>|*\[]", commands)
    # A bracket at the beginning of a row would be an option of the end of the last.
    assert to_latex(Table("", ["x"], [[Entry("[1]")]])).splitlines()[7].startswith("{[}1]")
