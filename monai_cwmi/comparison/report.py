"""The report of a comparison, finished or not: tables, pictures and an HTML page."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from monai_cwmi.comparison.cell_files import EXAMPLE, LOG, PLAN, Cell, cell_folder, partial_folder
from monai_cwmi.comparison.difference_chart import draw_differences
from monai_cwmi.comparison.examples import Example, draw_examples, read_example
from monai_cwmi.comparison.paired_tests import paired_differences
from monai_cwmi.comparison.reported_metrics import METRICS
from monai_cwmi.comparison.result_tables import advantage_table, cost_table, metric_table, to_latex, to_markdown

IN_PAPER = ("miou", "mdice", "vi", "ari", "mhd")  # its Table 1

_MAX_EXAMPLES = 3
_SAME = {
    "weights_digest": "first weights",
    "batches_digest": "first batches of the epochs",
    "device": "device",
    "threads": "threads",
}


def write_report(folder: str | os.PathLike[str]) -> list[Path]:
    """Write the tables, the figures and the report of a comparison.

    These are ``table.md``, ``table.tex``, ``differences.csv``, ``differences.png``, ``examples.png`` and
    ``report.html``. A comparison may be unfinished: the report names what is missing. A picture that would be
    empty is not written.

    Args:
        folder: A comparison's folder, with ``plan.json``, ``results.csv``, ``costs.csv`` and ``cells``.

    Returns:
        The files that were written, the report last.

    Raises:
        FileNotFoundError: When the folder holds no comparison.
        ValueError: When ``results.csv`` and ``plan.json`` do not belong together.

    Example::

        write_report("comparison")
    """
    out = Path(folder)
    if not (out / PLAN).is_file():
        raise FileNotFoundError(f"{out} holds no {PLAN}: it is not the folder of a comparison.")
    plan = json.loads((out / PLAN).read_text())
    metrics, losses, baseline = plan["metrics"], list(plan["losses"]), plan["baseline"]
    results, costs = _read_results(out, metrics, losses)
    cells = [Cell(loss, fold, seed) for loss in losses for seed in plan["seeds"] for fold in range(plan["folds"])]

    trainings = dict.fromkeys(losses, len(plan["seeds"]) * plan["folds"])
    tables = [metric_table(results, trainings, [each for each in metrics if each in IN_PAPER])]
    if further := [each for each in metrics if each not in IN_PAPER]:
        tables.append(metric_table(results, trainings, further))
    tables.append(cost_table(costs, losses, "CE" if "CE" in losses else baseline))
    differences = paired_differences(results, baseline, [loss for loss in losses if loss != baseline], metrics)
    advantages = [advantage_table(differences, metrics, baseline)] if len(losses) > 1 else []
    written = [out / "table.md", out / "table.tex", out / "differences.csv"]
    written[0].write_text("\n".join(map(to_markdown, [*tables, *advantages])))
    written[1].write_text("\n".join(map(to_latex, [*tables, *advantages])))
    differences.to_csv(written[2], index=False)

    pictures = {}
    if differences["images"].any():
        pictures["differences"] = draw_differences(differences, out / "differences.png")
    if examples := _find_examples(out, cells):
        pictures["examples"] = draw_examples(examples, out / "examples.png")
    page = out / "report.html"
    page.write_text(
        _template().render(
            plan=plan,
            entries={name: json.dumps(entry, ensure_ascii=False) for name, entry in plan["losses"].items()},
            settings=_settings(plan["settings"]),
            trainings=len(cells),
            missing=_missing(out, cells, results),
            seen=_seen_before(plan["settings"]),
            checks=[_check(costs, column, title) for column, title in _SAME.items()],
            tables=tables,
            advantages=advantages,
            pictures={name: base64.b64encode(path.read_bytes()).decode() for name, path in pictures.items()},
        ),
        encoding="utf-8",
    )
    return [*written, *pictures.values(), page]


def _read_results(out: Path, metrics: Sequence[str], losses: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    # A loss may be named "NA", and a digest may look like a number.
    numbers = {name: ["", "nan"] for name in metrics}
    texts = {"loss": str, "image": str}
    results = pd.read_csv(out / "results.csv", dtype=texts, na_values=numbers, keep_default_na=False)
    unknown = sorted(set(results["loss"]) - set(losses))
    if unknown:
        raise ValueError(f"results.csv has losses that {PLAN} does not have: {', '.join(unknown)}.")
    if results.duplicated(["loss", "seed", "fold", "image"]).any():
        raise ValueError("results.csv has two rows for the same loss, seed, fold and image.")
    missing = [name for name in metrics if name not in results or name not in METRICS]
    if missing:
        raise ValueError(f"{PLAN} lists metrics that are unknown or not in results.csv: {', '.join(missing)}.")
    results = results.astype(dict.fromkeys(metrics, float))
    if results.empty:
        return results, pd.DataFrame(columns=["loss", *_SAME, "seed", "fold", "seconds_per_epoch", "peak_memory_mib"])
    numbers = {name: ["", "nan"] for name in ("seconds_per_epoch", "peak_memory_mib", "validation")}
    return results, pd.read_csv(
        out / "costs.csv", dtype=dict.fromkeys(["loss", *_SAME], str), na_values=numbers, keep_default_na=False
    )


def _find_examples(out: Path, cells: Sequence[Cell]) -> list[dict[str, Example]]:
    """For each of the first folds, the example of every loss that has one with the first seed that any has one with."""
    paths = {cell: path for cell in cells if (path := cell_folder(out, cell) / EXAMPLE).is_file()}
    rows = []
    for fold in sorted({cell.fold for cell in paths})[:_MAX_EXAMPLES]:
        seed = min(cell.seed for cell in paths if cell.fold == fold)
        rows.append({cell.loss: read_example(path) for cell, path in paths.items() if cell[1:] == (fold, seed)})
    return rows


def _missing(out: Path, cells: Sequence[Cell], results: pd.DataFrame) -> list[str]:
    done = set(results[["loss", "fold", "seed"]].itertuples(index=False, name=None))
    lines = []
    for cell in cells:
        if cell not in done:
            partial = partial_folder(out, cell)
            state = f"failed or was interrupted, see {partial.relative_to(out) / LOG}"
            state = state if partial.is_dir() else "has not been run"
            lines.append(f"{cell.loss}, fold {cell.fold}, seed {cell.seed}: {state}")
    return lines


class _Check(NamedTuple):
    """Something that should be the same for all losses: how many pairs of seed and fold have two losses or more."""

    title: str
    compared: int
    different: list[str]


def _check(costs: pd.DataFrame, column: str, title: str) -> _Check:
    compared, different = 0, []
    for (seed, fold), group in costs.groupby(["seed", "fold"]):
        compared += len(group) > 1
        if group[column].nunique() > 1:
            values = ", ".join(f"{loss} {value}" for loss, value in zip(group["loss"], group[column], strict=True))
            different.append(f"seed {seed}, fold {fold}: {values}")
    return _Check(title, compared, different)


def _seen_before(settings: Mapping[str, Any]) -> list[str]:
    """Test images that the models were trained or chosen on, in words, for each fold that has any."""
    lines = []
    for fold, sections in enumerate(settings.get("sections", [])):
        tested = [str(case["image"]) for case in sections.get("test", [])]
        for name in ("training", "validation"):
            others = {str(case["image"]) for case in sections.get(name, [])}
            if again := sum(image in others for image in tested):
                lines.append(f"fold {fold}: {again} of {len(tested)} test images are in the {name} section too")
    return lines


def _settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as text, and of the lists of images only how many there are."""
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in settings.items() if name != "sections"}
    for fold, sections in enumerate(settings.get("sections", [])):
        texts[f"images of fold {fold}"] = ", ".join(f"{len(cases)} {name}" for name, cases in sections.items())
    return texts


def _template() -> jinja2.Template:
    path = Path(__file__).with_name("report.html.j2")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(path.name)
