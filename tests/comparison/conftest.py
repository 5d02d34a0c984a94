"""Bundles and results of comparisons to test with."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monai_cwmi.comparison.bundle_config import Bundle, find_bundle
from monai_cwmi.comparison.cell_files import Cell, cell_folder
from monai_cwmi.comparison.reported_metrics import METRICS

from .foreign import write_bundle

COUNTS = {"vi": 1.0, "mhd": 3.0, "betti0": 4.0, "betti1": 2.0, "assd": 1.5}  # of the size that such errors have

MakeResults = Callable[..., Path]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle that others wrote."""
    return find_bundle(write_bundle(tmp_path), (), {})


@pytest.fixture
def make_results(tmp_path: Path) -> MakeResults:
    """Write what the trainings of a comparison leave behind, with numbers at random."""

    def make(
        losses: Sequence[str] = ("CE", "Dice", "CWMI"),
        *,
        seeds: Sequence[int] = (0, 1, 2),
        folds: int = 2,
        images: int = 4,
        shape: tuple[int, ...] = (24, 32),
        missing: Collection[Cell] = (),
        metrics: Sequence[str] = tuple(METRICS),
    ) -> Path:
        out = tmp_path / "comparison"
        out.mkdir()
        plan = {
            "bundle": "rings_segmentation",
            "losses": {name: {"loss": {"_target_": name}, "maps": [], "starts": {}} for name in losses},
            "baseline": losses[-1],
            "folds": folds,
            "seeds": list(seeds),
            "metrics": list(metrics),
            "settings": {"threads": 2, "sections": [{"test": [{"image": "a.png"}] * images}] * folds},
            "environment": {"device": "cpu", "torch": "2.6.0"},
        }
        (out / "plan.json").write_text(json.dumps(plan))
        cells = [Cell(loss, fold, seed) for loss in losses for seed in seeds for fold in range(folds)]
        done = [cell for cell in cells if cell not in missing]
        rows, costs = [], []
        for cell in done:
            rows += _rows(cell, images, metrics, better=0.1 * (cell.loss == losses[-1]))
            costs.append(_costs(cell, slower=0.25 * losses.index(cell.loss)))
            _write_example(cell_folder(out, cell), cell, shape)
        pd.DataFrame(rows, columns=["loss", "seed", "fold", "image", *metrics]).to_csv(out / "results.csv", index=False)
        pd.DataFrame(costs).to_csv(out / "costs.csv", index=False)
        return out

    return make


def _rows(cell: Cell, images: int, metrics: Sequence[str], better: float) -> list[dict[str, object]]:
    rows = []
    for number in range(images):
        generator = np.random.default_rng([cell.fold, cell.seed, number, *cell.loss.encode()])
        share = 0.7 + better + 0.02 * generator.normal()
        scores = {name: COUNTS[name] * (1 - share) * 4 if name in COUNTS else share for name in metrics}
        rows.append({"loss": cell.loss, "seed": cell.seed, "fold": cell.fold, "image": f"{number}.png", **scores})
    return rows


def _costs(cell: Cell, slower: float) -> dict[str, object]:
    return {
        "loss": cell.loss,
        "seed": cell.seed,
        "fold": cell.fold,
        "seconds_per_epoch": 2 + slower + 0.5 * cell.seed,
        "peak_memory_mib": 100 + cell.seed,
        "best_epoch": 3,
        "validation": 0.8,
        # Read as numbers, these two would be the same: both are infinite.
        "weights_digest": f"{cell.seed}{cell.fold}34e5678901234",
        "batches_digest": f"{cell.seed}{cell.fold}99e9999999999",
        "device": "cpu",
        "threads": 2,
    }


def _write_example(folder: Path, cell: Cell, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng([cell.fold, cell.seed])
    target = np.zeros(shape, np.uint8)
    target[4:16, 6:20] = 1
    target[:, -4:] = 255
    prediction = np.roll((target == 1).astype(np.uint8), len(cell.loss), axis=0)
    image = (target == 1) + generator.normal(0, 0.2, (1, *shape))
    folder.mkdir(parents=True)
    arrays = {"image": image.astype(np.float32), "target": target, "prediction": prediction}
    np.savez(folder / "example.npz", name="0.png", fold=cell.fold, seed=cell.seed, **arrays)
