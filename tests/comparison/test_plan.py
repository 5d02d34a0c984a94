from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from monai_cwmi.comparison.bundle_config import Bundle
from monai_cwmi.comparison.catalogue import Contestant, load_contestants
from monai_cwmi.comparison.cell_files import Cell, cell_folder
from monai_cwmi.comparison.plan import Plan, assemble, keep_plan
from monai_cwmi.comparison.reported_metrics import METRICS


def make_plan(*losses: str, seeds: tuple[int, ...] = (0, 1)) -> Plan:
    sections = {name: [{"image": f"{name}.png"}] for name in ("training", "validation", "test")}
    return Plan(
        bundle=Bundle("root", ["train.json"], {}),
        losses={name: Contestant({"_target_": name}) for name in losses},
        configs={name: {"_target_": name, "softmax": True} for name in losses},
        loss_id="loss",
        sections=[sections],
        seeds=list(seeds),
        baseline=losses[0],
        foreground=1,
        component_value=0,
        threads=1,
    )


def complete(out: Path, cell: Cell) -> None:
    folder = cell_folder(out, cell)
    folder.mkdir(parents=True)
    key = cell._asdict()
    pd.DataFrame([key | {"image": "01.png"} | dict.fromkeys(METRICS, 0.1 + 0.2)]).to_csv(
        folder / "rows.csv", index=False
    )
    (folder / "costs.json").write_text(json.dumps(key | {"seconds_per_epoch": 1.0}))


def test_a_plan_adds_to_the_one_before(tmp_path: Path) -> None:
    keep_plan(tmp_path, make_plan("CE", "CWMI"), {})
    whole = keep_plan(tmp_path, make_plan("Dice", "CWMI", seeds=(1, 4)), {})
    assert list(whole.losses) == list(whole.configs) == ["CE", "CWMI", "Dice"]
    assert whole.seeds == [0, 1, 4]
    assert whole.baseline == "Dice"
    kept = json.loads((tmp_path / "plan.json").read_text())
    assert list(kept["losses"]) == ["CE", "CWMI", "Dice"]
    assert kept["seeds"] == [0, 1, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_plan_that_contradicts_the_one_before(tmp_path: Path) -> None:
    plan = make_plan("CE", "CWMI")
    keep_plan(tmp_path, plan, {})
    before = (tmp_path / "plan.json").read_bytes()
    other = replace(plan, configs=plan.configs | {"CE": {"_target_": "CE", "softmax": False}})
    for changed, message in (
        (other, "the loss CE was .*True.* and is .*False"),
        (replace(plan, threads=4), "threads was 1 and is 4"),
        (replace(plan, sections=plan.sections * 2), "sections was"),
    ):
        with pytest.raises(ValueError, match=f"holds a comparison with other settings: {message}"):
            keep_plan(tmp_path, changed, {})
    assert (tmp_path / "plan.json").read_bytes() == before


def test_a_training_has_what_its_cell_needs() -> None:
    name = "Skea-topo"
    contestant = load_contestants([name])[name]
    own = {"_target_": "monai_cwmi.CWMILoss", "ignore_index": 7}
    sections = [{"test": [{"image": f"{fold}.png"}]} for fold in range(2)]
    losses, configs = {name: contestant}, {name: own}
    plan = replace(make_plan("CE"), losses=losses, configs=configs, sections=sections, foreground=3, component_value=1)
    training = plan.training(Cell(name, 1, 4))
    assert (training.loss, training.fold, training.seed) == (name, 1, 4)
    assert (training.bundle, training.loss_id, training.loss_config) == (plan.bundle, "loss", own)
    assert training.sections == sections[1]
    assert training.starts == {"lambda_boundary": 0.4}
    assert (training.foreground, training.component_value, training.threads) == (3, 1, 1)
    # The map is told which class is the foreground, and which pixels have no label.
    assert training.maps == [contestant.maps[0] | {"foreground": 3, "ignore_index": 7}]


def test_results_are_in_the_order_of_the_plan_whenever_cells_were_complete(tmp_path: Path) -> None:
    plan = make_plan("CWMI", "CE", seeds=(2, 10))
    for cell in (Cell("CE", 0, 10), Cell("CWMI", 0, 10), Cell("CE", 0, 2)):
        complete(tmp_path, cell)
    cell_folder(tmp_path, Cell("CWMI", 0, 2)).with_name("fold0_seed2.partial").mkdir()
    results, costs = (pd.read_csv(path, dtype=str) for path in assemble(tmp_path, plan))
    for table in (results, costs):
        assert list(zip(table["loss"], table["seed"], strict=True)) == [("CWMI", "10"), ("CE", "2"), ("CE", "10")]
    assert set(results["image"]) == {"01.png"}  # not a number
    assert set(results["miou"]) == {repr(0.1 + 0.2)}  # to the last digit


def test_nothing_is_complete(tmp_path: Path) -> None:
    results, _ = assemble(tmp_path, make_plan("CE"))
    assert list(pd.read_csv(results).columns) == ["loss", "seed", "fold", "image", *METRICS]
