"""Tables of a comparison, laid out as the paper's, in Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from monai_cwmi.comparison.paired_tests import LEVEL
from monai_cwmi.comparison.reported_metrics import METRICS

NOTHING = "n/a"
_MINUS = "\N{MINUS SIGN}"


class Entry(NamedTuple):
    """One entry of a table.

    Attributes:
        text: The value.
        note: What must be known of it.
        is_bold: Whether it stands out.
    """

    text: str
    note: str = ""
    is_bold: bool = False


@dataclass(frozen=True)
class Table:
    """A table of texts, in which any character may stand.

    Attributes:
        caption: What it shows.
        columns: Their headings.
        rows: As many entries as there are columns.
    """

    caption: str
    columns: list[str]
    rows: list[list[Entry]]


def metric_table(results: pd.DataFrame, trainings: Mapping[str, int], metrics: Sequence[str]) -> Table:
    """Means of metrics as in the paper's Table 1: a row for each loss, a column for each metric.

    A value that is not finite has no mean. Those are left out and counted in a note, and a loss that has any, or that
    lacks trainings, is not compared for the best.

    Args:
        results: A row for each prediction, with the columns ``loss, seed, fold`` and the metrics.
        trainings: For each loss the number of trainings that there should be.
        metrics: Names in :data:`monai_cwmi.comparison.reported_metrics.METRICS`.

    Example::

        print(to_markdown(metric_table(pd.read_csv("results.csv"), {"CE": 15, "CWMI": 15}, ["miou", "vi"])))
    """
    groups = {loss: results[results["loss"] == loss] for loss in trainings}
    done = {loss: group.groupby(["seed", "fold"]).ngroups for loss, group in groups.items()}
    complete = [loss for loss in trainings if done[loss] == trainings[loss]]
    rows = []
    for loss, expected in trainings.items():
        note = "" if loss in complete else f"{done[loss]} of {expected} trainings"
        rows.append([Entry(loss, note), *(_mean_entry(groups[loss], metric) for metric in metrics)])
    for column, metric in enumerate(metrics, start=1):
        means = {loss: groups[loss][metric].mean() for loss in complete if np.isfinite(groups[loss][metric]).all()}
        _embolden_best(
            rows, column, {loss: round(mean, METRICS[metric].digits) for loss, mean in means.items()}, metric
        )
    caption = (
        "Mean over test images and seeds ± standard deviation of the trainings' means (over seeds and folds). Bold: "
        "the best of those that are complete and finite everywhere."
    )
    return Table(caption, ["loss", *(METRICS[metric].heading for metric in metrics)], rows)


def cost_table(costs: pd.DataFrame, losses: Sequence[str], reference: str) -> Table:
    """What trainings cost, as in the paper's Table 4.

    Args:
        costs: A row for each training, with the columns ``loss, seed, fold, seconds_per_epoch, peak_memory_mib``.
        losses: In the order of the rows.
        reference: The loss whose time is subtracted, training by training, from that with the same seed and fold.
    """
    times = costs.pivot(index=["seed", "fold"], columns="loss", values="seconds_per_epoch").reindex(columns=losses)
    peaks = costs.groupby("loss")["peak_memory_mib"].max().reindex(losses)
    rows = []
    for loss in losses:
        paired = times[[loss, reference]].dropna()
        entries = [Entry(loss), Entry(_mean_text(times[loss].dropna(), 2)), Entry(NOTHING), Entry(NOTHING)]
        if len(paired):
            longer = (times[loss] - times[reference]).mean()
            share = longer / paired.iloc[:, 1].mean()
            entries[2] = Entry(f"{_signed(longer, 2)} ({_signed(100 * share, 0)} %)")
        if np.isfinite(peaks[loss]):
            entries[3] = Entry(f"{peaks[loss]:.0f}")
        rows.append(entries)
    caption = (
        f"Seconds per epoch, mean ± standard deviation over trainings; difference to {reference} over the trainings "
        "with the same seed and fold; the largest peak of memory."
    )
    return Table(caption, ["loss", "seconds per epoch", f"difference to {reference}", "peak memory (MiB)"], rows)


def advantage_table(differences: pd.DataFrame, metrics: Sequence[str], baseline: str) -> Table:
    """The baseline against its rivals: a row for each rival, a column for each metric.

    Args:
        differences: From :func:`monai_cwmi.comparison.paired_tests.paired_differences`.
        metrics: Which.
        baseline: The loss.
    """
    rows = []
    for rival, of_rival in differences.groupby("rival", sort=False):
        by_metric = of_rival.set_index("metric")
        rows.append([Entry(str(rival)), *(_advantage_entry(by_metric.loc[metric], metric) for metric in metrics)])
    caption = (
        f"Advantage of {baseline} (baseline minus rival, signed so that positive is in the baseline's favour) with its "
        f"95 % interval. Bold: p < {LEVEL} after Holm's correction over the rivals. differences.csv has the p values."
    )
    return Table(caption, ["rival", *(METRICS[metric].heading for metric in metrics)], rows)


def _advantage_entry(row: pd.Series, metric: str) -> Entry:
    low, high, advantage = (_signed(row[name], METRICS[metric].digits) for name in ("low", "high", "advantage"))
    text = advantage if np.isnan(row["low"]) else f"{advantage} [{low}, {high}]"
    left_out = f"{row['left_out']} images left out" if row["left_out"] else ""
    about = "" if row["holds_for"] == "other images and seeds" else f"holds for {row['holds_for']}"
    return Entry(text, "; ".join(filter(None, (left_out, about))), is_bold=row["p_holm"] < LEVEL)


def to_markdown(table: Table) -> str:
    """The table in Markdown, its caption above it."""
    lines = [table.columns, ["---"] * len(table.columns)]
    lines += [[_mark_down(entry) for entry in row] for row in table.rows]
    lines[0] = [_escape(column, _MARKDOWN) for column in table.columns]
    return "\n".join([_escape(table.caption, _MARKDOWN), "", *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def to_latex(table: Table) -> str:
    """The table in LaTeX, which needs no package."""
    lines = [[_escape(column, _LATEX) for column in table.columns]]
    lines += [[_typeset(entry) for entry in row] for row in table.rows]
    head, *body = (" & ".join(line) + r" \\" for line in lines)
    return (
        "\n".join(
            [
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{_escape(table.caption, _LATEX)}}}",
                rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
                *(r"\hline", head, r"\hline", *body, r"\hline"),
                r"\end{tabular}",
                r"\end{table}",
            ]
        )
        + "\n"
    )


def _mean_entry(group: pd.DataFrame, metric: str) -> Entry:
    finite = group[np.isfinite(group[metric])]
    left_out = len(group) - len(finite)
    spread = finite.groupby(["seed", "fold"])[metric].mean().std()
    note = f"{left_out} of {len(group)} not finite, left out" if left_out else ""
    return Entry(_with_spread(finite[metric].mean(), spread, METRICS[metric].digits), note)


def _embolden_best(rows: list[list[Entry]], column: int, means: Mapping[str, float], metric: str) -> None:
    if len(means) > 1:
        best = max(means.values()) if METRICS[metric].higher_is_better else min(means.values())
        for row in rows:
            row[column] = row[column]._replace(is_bold=means.get(row[0].text) == best)


def _mean_text(values: pd.Series, digits: int) -> str:
    return _with_spread(values.mean(), values.std(), digits)


def _with_spread(mean: float, spread: float, digits: int) -> str:
    if np.isnan(mean):
        return NOTHING
    return f"{mean:.{digits}f}" + ("" if np.isnan(spread) else f" ± {spread:.{digits}f}")


def _signed(value: float, digits: int) -> str:
    return NOTHING if np.isnan(value) else f"{value:+.{digits}f}".replace("-", _MINUS)


def _mark_down(entry: Entry) -> str:
    text = _escape(entry.text, _MARKDOWN)
    note = f" ({_escape(entry.note, _MARKDOWN)})" if entry.note else ""
    return (f"**{text}**" if entry.is_bold else text) + note


def _typeset(entry: Entry) -> str:
    text = _escape(entry.text, _LATEX)
    note = f" ({_escape(entry.note, _LATEX)})" if entry.note else ""
    return (rf"\textbf{{{text}}}" if entry.is_bold else text) + note


_MARKDOWN = {ord(sign): f"\\{sign}" for sign in r"\`*_[]<>|~$&"}
_LATEX = {ord(sign): f"\\{sign}" for sign in "{}$&#_%"} | {
    ord("\\"): r"\textbackslash{}",
    ord("^"): r"\textasciicircum{}",
    ord("~"): r"\textasciitilde{}",
    ord("<"): "$<$",
    ord(">"): "$>$",
    ord("|"): "$|$",
    ord("±"): r"$\pm$",
    ord(_MINUS): "$-$",
    ord("↑"): r"$\uparrow$",
    ord("↓"): r"$\downarrow$",
    # At the beginning of a row these two would belong to the end of the last.
    ord("["): "{[}",
    ord("*"): "{*}",
}


def _escape(text: str, signs: Mapping[int, str]) -> str:
    return " ".join(text.split()).translate(signs)
