from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from monai_cwmi.commands.options import LEFT_OUT
from monai_cwmi.comparison import compare_losses
from monai_cwmi.comparison.reported_metrics import METRICS

from .foreign import write_bundle

pytestmark = pytest.mark.slow

LOSSES = ("CE", "CWMI")


def command(bundle: Path, out: Path, *losses: str) -> list[str]:
    options = ["--bundle", str(bundle), "--out", str(out), "--seeds", "1", "--workers", "1", "--component-value", "1"]
    return [sys.executable, "-m", "monai_cwmi", "compare", *options, "--losses", *losses]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def compare(bundle: Path, out: Path, *losses: str) -> subprocess.CompletedProcess[str]:
    arguments = command(bundle, out, *losses)
    return subprocess.run(arguments, env=environment(), capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="session")
def compared(foreign: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that we did not write, compared by the command."""
    out = tmp_path_factory.mktemp("compared") / "out"
    result = compare(foreign, out, *LOSSES)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


def test_each_image_has_a_row(compared: Path) -> None:
    results = pd.read_csv(compared / "results.csv")
    assert list(results.columns) == ["loss", "seed", "fold", "image", *METRICS]
    images = [(loss, 0, 0, f"test_{index}_image.png") for loss in LOSSES for index in (0, 1)]
    assert list(results[["loss", "seed", "fold", "image"]].itertuples(index=False, name=None)) == images
    assert np.isfinite(results[["miou", "mdice", "ari"]].to_numpy()).all()


def test_losses_begin_alike_and_see_the_same(compared: Path) -> None:
    costs = pd.read_csv(compared / "costs.csv")
    assert list(costs["loss"]) == list(LOSSES)
    assert costs["weights_digest"].nunique() == costs["batches_digest"].nunique() == 1
    assert (costs["seconds_per_epoch"] > 0).all()
    assert (costs["peak_memory_mib"] > 50).all()
    results = pd.read_csv(compared / "results.csv")
    assert results.groupby("loss")["mdice"].mean().nunique() == 2  # and end apart


def test_what_is_written(compared: Path, foreign: Path) -> None:
    names = {path.name for path in compared.iterdir()}
    assert {"plan.json", "results.csv", "costs.csv", "table.md", "table.tex", "report.html", "examples.png"} <= names
    assert sorted(path.name for path in (compared / "cells" / "CE").iterdir()) == ["fold0_seed0"]
    assert {path.name for path in foreign.iterdir()} <= {"configs", "scripts"}  # nothing in the bundle


def _runs(process: Path, argument: str) -> bool:
    try:
        return argument.encode() in (process / "cmdline").read_bytes().split(b"\0")  # nothing is left of a zombie's
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes as Linux shows them")
def test_a_killed_comparison_goes_on(compared: Path, foreign: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(foreign, out, *LOSSES), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    second = out / "cells" / "CWMI" / "fold0_seed0.partial" / "log.txt"
    deadline = time.monotonic() + 120
    while not (second.is_file() and "Epoch[1] Complete" in second.read_text()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    cell = next(path for path in Path("/proc").glob("[0-9]*") if _runs(path, str(second.parent)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    while _runs(cell, str(second.parent)):  # it is nobody's now, and ends by itself
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not (second.parent / "rows.csv").exists()  # and not because it was done
    first = out / "cells" / "CE" / "fold0_seed0" / "rows.csv"
    made = first.stat().st_mtime_ns
    result = compare(foreign, out, *LOSSES)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (out / "results.csv").read_bytes() == (compared / "results.csv").read_bytes()
    assert first.stat().st_mtime_ns == made  # was not trained again


def test_a_failing_loss_does_not_stop_the_others(compared: Path, foreign: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    # Its weights are for three channels, which only a prediction shows to be wrong.
    own.write_text("Own:\n  loss: {_target_: monai_cwmi.CWMILoss, weight: [1, 2, 3]}\n")
    before = (compared / "results.csv").read_bytes()
    result = compare(foreign, compared, str(own), "CE", "CWMI")
    assert result.returncode == LEFT_OUT
    assert "Failed: Own, fold 0, seed 0" in result.stdout
    assert "weight has 3 values" in result.stdout
    assert (compared / "results.csv").read_bytes() == before


def test_an_unfinished_comparison_with_other_settings_is_kept(compared: Path, foreign: Path) -> None:
    plan = (compared / "plan.json").read_bytes()
    with pytest.raises(ValueError, match="holds a comparison with other settings: foreground was 1 and is 0"):
        compare_losses(foreign, LOSSES, compared, seeds=[0], component_value=1, foreground=0, workers=1)
    assert (compared / "plan.json").read_bytes() == plan


def test_two_comparisons_in_one_folder(foreign: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(RuntimeError, match="Another comparison is at work in"):
        compare_losses(foreign, LOSSES, tmp_path, seeds=[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": ["CE", "Magic"]}, "no loss named 'Magic'; there are: .*CWMI"),
        ({"baseline": "Dice"}, "baseline 'Dice' is not among the losses CE, CWMI"),
        ({"component_value": 2}, "component_value must be 0 or 1, got 2"),
        ({"seeds": []}, "at least one seed"),
        ({"folds": 8}, "8 folds .* need at least 8 patients .*there are 7"),
        ({"overrides": {"loss": "$monai.losses.DiceLoss(sigmoid=True)"}}, "must be an object with a _target_"),
    ],
)
def test_what_cannot_be_compared(foreign: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"losses": list(LOSSES), "seeds": [0]} | options
    with pytest.raises(ValueError, match=message):
        compare_losses(foreign, arguments.pop("losses"), tmp_path, **arguments)
    assert not (tmp_path / "plan.json").exists()


def test_a_loss_that_cannot_be_made_fails_before_any_training(foreign: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"Own": {"loss": {"_target_": "TverskyLoss", "alpha": 0.5, "gamma": 2}}}))
    with pytest.raises(RuntimeError, match=r"TverskyLoss"):
        compare_losses(foreign, ["CE", str(own)], tmp_path / "out", seeds=[0])
    assert not (tmp_path / "out" / "cells").exists()
