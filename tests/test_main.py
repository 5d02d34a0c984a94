from __future__ import annotations

import inspect
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_cwmi import __main__ as command_line
from monai_cwmi import experiment
from monai_cwmi.clinic import Problem, Summary, prepare_dataset
from monai_cwmi.comparison import measure_growth
from monai_cwmi.experiment import Cell, Comparison, compare_losses


def test_fetch_sample_prints_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "fetch_sample", lambda name, out: Path(out) / name)
    command_line.main(["fetch-sample", "myelin_sem", "--out", str(tmp_path)])
    assert capsys.readouterr().out == f"{tmp_path / 'myelin_sem'}\n"


def test_a_failure_is_one_message_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str, _out: str | None) -> Path:
        raise RuntimeError(f"no network for {name}")

    monkeypatch.setattr(command_line, "fetch_sample", fail)
    with pytest.raises(SystemExit) as error:
        command_line.main(["fetch-sample", "myelin_sem"])
    assert error.value.code == 1
    assert capsys.readouterr().err == "no network for myelin_sem\n"


def test_the_module_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["monai_cwmi", "fetch-sample", "heart"])
    with pytest.raises(SystemExit) as error:
        runpy.run_module("monai_cwmi", run_name="__main__")
    assert error.value.code == 2
    assert "myelin_sem" in capsys.readouterr().err


PREPARE = ["prepare-dataset", "--images", "in", "--labels", "in2", "--out", "out"]


def test_prepare_dataset_hands_over_its_options_and_prints_the_summary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, Any] = {}

    def prepare(images: str, labels: str, out: str, **options: Any) -> Summary:
        seen.update(options, places=(images, labels, out))
        return Summary(Path(out), 3, {"training": 3}, ())

    monkeypatch.setattr(command_line, "prepare_dataset", prepare)
    command_line.main(PREPARE)
    defaults = {key: value.default for key, value in inspect.signature(prepare_dataset).parameters.items()}
    assert seen.pop("places") == ("in", "in2", "out")
    assert seen == {key: value for key, value in defaults.items() if key in seen}
    assert capsys.readouterr().out == "Written: 3 cases. Left out: 0. In out: 3 training.\n"
    options = "--classes liver cyst --label-values 1 3 --fractions 0.5 0.2 0.3 --seed 4 --patient-pattern P.. --key k"
    command_line.main([*PREPARE, *options.split()])
    del seen["places"]
    assert seen == {
        "classes": ["liver", "cyst"],
        "label_values": [1, 3],
        "fractions": [0.5, 0.2, 0.3],
        "seed": 4,
        "patient_pattern": "P..",
        "key": "k",
    }


@pytest.mark.parametrize(("sections", "status"), [({"training": 2}, 3), ({"training": 0}, 1)])
def test_what_was_left_out_shows_in_the_exit_status(
    sections: dict[str, int], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = (Problem("warning", Path("a"), "odd"), Problem("error", Path("b"), "broken"))
    summary = Summary(Path("out"), 2, sections, problems)
    monkeypatch.setattr(command_line, "prepare_dataset", lambda *places, **options: summary)
    with pytest.raises(SystemExit) as error:
        command_line.main(PREPARE)
    assert error.value.code == status
    assert capsys.readouterr().out.startswith("warning: a: odd\nerror: b: broken\nWritten: 2 cases. Left out: 1.")


COMPARE = ["compare", "--bundle", "b", "--out", "o", "--losses", "CE"]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command hands over to a comparison, and the ``failures`` that it is to have."""
    seen: dict[str, Any] = {"failures": {}}

    def compare(bundle: str, losses: list[str], out: str, **options: Any) -> Comparison:
        seen.update(options, bundle=bundle, losses=losses, out=out)
        return Comparison(Path(out), [Path(out, "report.html")], seen["failures"])

    monkeypatch.setattr(experiment, "compare_losses", compare)
    return seen


def test_compare_hands_over_its_options(compared: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    command_line.main(COMPARE)
    assert capsys.readouterr().out == f"Written: {Path('o', 'report.html')}\n"
    del compared["failures"]
    defaults = {key: value.default for key, value in inspect.signature(compare_losses).parameters.items()}
    given = {"bundle": "b", "losses": ["CE"], "out": "o", "config_files": [], "overrides": {}}
    assert compared == defaults | given
    compared["failures"] = {}
    options = "--losses own.yaml --seeds 3 --folds 2 --baseline CE --config a.json --config b.json --foreground 2"
    command_line.main([*COMPARE, *options.split(), "--component-value", "1", "--workers", "2"])
    del compared["failures"]
    assert compared == {
        "bundle": "b",
        "losses": ["CE", "own.yaml"],
        "out": "o",
        "seeds": range(3),
        "folds": 2,
        "config_files": ["a.json", "b.json"],
        "overrides": {},
        "baseline": "CE",
        "foreground": 2,
        "component_value": 1,
        "workers": 2,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("epochs=50", 50),
        ("lr=0.1", 0.1),
        ("lr=1e-3", 1e-3),
        ("lr=-2.5E+4", -2.5e4),
        ("name=e3", "e3"),
        ("device=cpu", "cpu"),
        ("dataset_dir=/a b/c=d", "/a b/c=d"),
        ("classes=[a, b]", ["a", "b"]),
        ("loss={_target_: DiceLoss, softmax: true}", {"_target_": "DiceLoss", "softmax": True}),
        ("val=$@train#dataset", "$@train#dataset"),
        ("ckpt=", None),
        ("ckpt=null", None),
    ],
)
def test_values_of_set(text: str, value: Any, compared: dict[str, Any]) -> None:
    command_line.main([*COMPARE, "--set", text])
    assert compared["overrides"] == {text.partition("=")[0]: value}


def test_set_may_be_given_again(compared: dict[str, Any]) -> None:
    command_line.main([*COMPARE, "--set", "a=1", "b=2", "--set", "c=3", "--set", "a=4"])
    assert compared["overrides"] == {"a": 4, "b": 2, "c": 3}
    command_line.main(COMPARE)
    assert compared["overrides"] == {}  # of a command of its own


def test_trainings_that_failed_are_named(compared: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    compared["failures"] = {Cell("CE", 1, 2): "out of memory"}
    with pytest.raises(SystemExit) as error:
        command_line.main(COMPARE)
    assert error.value.code == command_line.LEFT_OUT == 3
    assert capsys.readouterr().out.endswith("\nFailed: CE, fold 1, seed 2\nout of memory\n")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--set", "epochs"], 2, "expected an entry as epochs=50, got 'epochs'"),
        (["--set", "=3"], 2, "got '=3'"),
        (["--set", "classes=[a"], 1, "--set classes: '[a' is no YAML"),
        (["--seeds", "0"], 2, "--seeds: expected a whole number from 1, got '0'"),
        (["--folds", "-1"], 2, "expected"),
        (["--component-value", "2"], 2, "--component-value"),
        (["--foreground", "-1"], 1, "foreground must be the index of a class, got -1"),
        (["--losses", "Magic"], 1, "no loss named 'Magic'"),
        (["--baseline", "Dice"], 1, "baseline 'Dice' is not among the losses CE"),
        (["--bundle", "nowhere"], 1, "There is no bundle nowhere"),
    ],
)
def test_impossible_comparisons_are_one_clear_line(
    options: list[str], status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "train.json").write_text("{}")
    places = ["--bundle", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as error:
        command_line.main([*COMPARE, *places, *options])
    assert error.value.code == status
    last = capsys.readouterr().err
    assert message in last.splitlines()[-1]
    assert status == 2 or last.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_comparisons_need_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "monai_cwmi.experiment", None)
    with pytest.raises(SystemExit) as error:
        command_line.main(COMPARE)
    assert error.value.code == 1
    assert capsys.readouterr().err.endswith("Comparisons need: pip install 'monai-cwmi[compare]'\n")


BENCHMARK = ["benchmark-speed", "--batch", "1", "--device", "cpu", "--repeats", "1"]


def test_benchmark_speed_prints_a_table_and_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = ["--sizes", "32x32", "16x48", "--orientations", "2", "--classes", "2", "--out", str(out)]
    command_line.main([*BENCHMARK, *options])
    printed = capsys.readouterr().out
    assert "1 x 2 x 32 x 32, K = 2, N = 4, float32" in printed
    assert "1 x 2 x 16 x 48, K = 2, N = 4, float32" in printed
    assert printed.count("MONAI DiceCELoss") == 2
    assert str(out / "speed.png") in printed
    sizes = {tuple(r["size"]) for r in json.loads((out / "speed.json").read_text())["records"]}
    assert sizes == {(32, 32), (16, 48)}
    assert (out / "speed.png").stat().st_size > 0


def test_without_out_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command_line.main([*BENCHMARK, "--sizes", "32x32"])
    assert "Written" not in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_options_reach_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def measure(sizes: list[tuple[int, int]], **options: Any) -> list[Any]:
        seen.update(options, sizes=sizes)
        return []

    monkeypatch.setattr(command_line, "measure_speed", measure)
    monkeypatch.setattr(command_line, "speed_table", lambda timings: "")
    command_line.main(["benchmark-speed"])
    defaults: dict[str, Any] = {
        "sizes": [(512, 512)],
        "batch": 10,
        "classes": 1,
        "num_orientations": None,
        "device": None,
        "dtype": torch.float32,
        "repeats": 30,
        "compiled": False,
    }
    assert seen == defaults
    command_line.main([*BENCHMARK, "--dtype", "bfloat16", "--compile"])
    assert seen == defaults | {
        "batch": 1,
        "device": "cpu",
        "dtype": torch.bfloat16,
        "repeats": 1,
        "compiled": True,
    }


def test_benchmark_growth_prints_a_table_and_writes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        command_line, "measure_growth", lambda **options: measure_growth(**options, quantities={"size": (16, 32)})
    )
    command_line.main(["benchmark-growth", "--device", "cpu", "--repeats", "1", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "size" in printed
    assert str(tmp_path / "growth.json") in printed
    assert {path.name for path in tmp_path.iterdir()} == {"growth.json", "growth.png"}


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--sizes", "512"], 2, "expected a size as 512x512 or 96x96x96, got '512'"),
        (["--sizes", "64x0"], 2, "'64x0'"),
        (["--sizes", "8x8x8x8"], 2, "'8x8x8x8'"),
        (["--batch", "0"], 2, "--batch: expected a whole number from 1, got '0'"),
        (["--repeats", "-3"], 2, "expected"),
        (["--classes", "two"], 2, "'two'"),
        (["--dtype", "int8"], 2, "int8"),
        (["--orientations", "1"], 1, "num_orientations must be at least 2"),
        (["--device", "abacus"], 1, "abacus"),
        (["--device", "cuda:99"], 1, "no device 'cuda:99'"),
        (["--out", __file__], 1, Path(__file__).name),
    ],
)
def test_impossible_options_are_one_clear_line(
    options: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        command_line.main(["benchmark-speed", *options])
    assert error.value.code == status
    last = capsys.readouterr().err
    assert message in last.splitlines()[-1]
    assert status == 2 or last.count("\n") == 1
