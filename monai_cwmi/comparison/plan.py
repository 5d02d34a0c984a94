"""What a comparison consists of, and the folder that keeps it."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from monai_cwmi.comparison.bundle_config import Bundle
from monai_cwmi.comparison.catalogue import Contestant, describe, map_configs
from monai_cwmi.comparison.cell_files import COSTS, PLAN, ROWS, Cell, cell_folder
from monai_cwmi.comparison.folds import Sections
from monai_cwmi.comparison.reported_metrics import METRICS
from monai_cwmi.comparison.training_spec import Training


@dataclass(frozen=True)
class Plan:
    """A comparison of losses under equal conditions.

    Attributes:
        bundle: What is trained.
        losses: With which losses.
        configs: The same as entries of the bundle.
        loss_id: Name of the entry.
        sections: The data of each fold.
        seeds: Of the trainings.
        baseline: The loss that the others are compared with.
        foreground: The class that metrics of shape and topology are about.
        component_value: Which components metrics of topology count; see :func:`monai_cwmi.comparison.scoring.score`.
        threads: Of each training on a CPU; another number may change the last digits of its results.
    """

    bundle: Bundle
    losses: dict[str, Contestant]
    configs: dict[str, dict[str, Any]]
    loss_id: str
    sections: list[Sections]
    seeds: list[int]
    baseline: str
    foreground: int
    component_value: int
    threads: int

    def cells(self) -> Iterator[Cell]:
        """All trainings, those of one seed and fold together, so that a part of them can be compared too."""
        for seed in self.seeds:
            for fold in range(len(self.sections)):
                for loss in self.losses:
                    yield Cell(loss, fold, seed)

    def training(self, cell: Cell) -> Training:
        """All that one training needs to know."""
        contestant, config = self.losses[cell.loss], self.configs[cell.loss]
        return Training(
            **cell._asdict(),
            bundle=self.bundle,
            loss_id=self.loss_id,
            loss_config=config,
            maps=map_configs(contestant, config, self.foreground),
            starts=contestant.starts,
            sections=self.sections[cell.fold],
            foreground=self.foreground,
            component_value=self.component_value,
            threads=self.threads,
        )


def keep_plan(out: Path, plan: Plan, environment: dict[str, Any]) -> Plan:
    """Write ``plan.json``, after a check that the folder's cells were made by this plan or one that it adds to.

    Args:
        out: The comparison's folder.
        plan: The plan. Its losses and seeds may be others than before.
        environment: Machine and versions, to be kept with it.

    Returns:
        The plan with the losses and seeds of before, too.

    Raises:
        ValueError: When anything else than losses and seeds differs.
    """
    path = out / PLAN
    if path.is_file():
        before = json.loads(path.read_text())
        _check_plan(path, before, json.loads(json.dumps(_content(plan, environment))))
        plan = replace(
            plan,
            losses={name: Contestant(**entry) for name, entry in before["losses"].items()} | plan.losses,
            configs=before["configs"] | plan.configs,
            seeds=sorted({*before["seeds"], *plan.seeds}),
        )
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(_content(plan, environment), indent=1) + "\n")
    os.replace(temporary, path)
    return plan


def _content(plan: Plan, environment: dict[str, Any]) -> dict[str, Any]:
    return {
        "bundle": plan.bundle.name,
        "losses": describe(plan.losses),
        "baseline": plan.baseline,
        "folds": len(plan.sections),
        "seeds": plan.seeds,
        "metrics": list(METRICS),
        "settings": {
            "bundle": asdict(plan.bundle),
            "loss_id": plan.loss_id,
            "foreground": plan.foreground,
            "component_value": plan.component_value,
            "threads": plan.threads,
            "sections": plan.sections,
        },
        "configs": plan.configs,
        "environment": environment,
    }


def _check_plan(path: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    changed = [
        f"{name} was {reprlib.repr(before['settings'].get(name))} and is {reprlib.repr(value)}"
        for name, value in now["settings"].items()
        if before["settings"].get(name) != value
    ]
    changed += [
        f"the loss {name} was {before['configs'][name]} and is {now['configs'][name]}"
        for name in before["losses"].keys() & now["losses"].keys()
        if (before["losses"][name], before["configs"][name]) != (now["losses"][name], now["configs"][name])
    ]
    if changed:
        raise ValueError(
            f"{path.parent} holds a comparison with other settings: {'; '.join(changed)}. Repeat its command to "
            "continue it, or give another folder with --out."
        )


def assemble(out: Path, plan: Plan) -> tuple[Path, Path]:
    """Write ``results.csv`` and ``costs.csv`` from the cells that are complete.

    Returns:
        The two files.
    """
    complete = [cell for cell in sorted(plan.cells(), key=_position(plan)) if cell_folder(out, cell).is_dir()]
    rows = [pd.read_csv(cell_folder(out, cell) / ROWS, dtype=str, keep_default_na=False) for cell in complete]
    results = pd.concat(rows) if rows else pd.DataFrame(columns=["loss", "seed", "fold", "image", *METRICS])
    results.to_csv(out / "results.csv", index=False)
    costs = pd.DataFrame([json.loads((cell_folder(out, cell) / COSTS).read_text()) for cell in complete])
    costs.to_csv(out / "costs.csv", index=False)
    return out / "results.csv", out / "costs.csv"


def _position(plan: Plan) -> Any:
    order = {name: position for position, name in enumerate(plan.losses)}
    return lambda cell: (order[cell.loss], cell.seed, cell.fold)
