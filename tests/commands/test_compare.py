from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from monai_cwmi import comparison
from monai_cwmi.__main__ import main
from monai_cwmi.commands.options import LEFT_OUT
from monai_cwmi.comparison import Cell, Comparison, compare_losses

COMPARE = ["compare", "--bundle", "b", "--out", "o", "--losses", "CE"]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command hands over to a comparison, and the ``failures`` that it is to have."""
    seen: dict[str, Any] = {"failures": {}}

    def compare(bundle: str, losses: list[str], out: str, **options: Any) -> Comparison:
        seen.update(options, bundle=bundle, losses=losses, out=out)
        return Comparison(Path(out), [Path(out, "report.html")], seen["failures"])

    monkeypatch.setattr(comparison, "compare_losses", compare)
    return seen


def test_compare_hands_over_its_options(compared: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    main(COMPARE)
    assert capsys.readouterr().out == f"Written: {Path('o', 'report.html')}\n"
    del compared["failures"]
    defaults = {key: value.default for key, value in inspect.signature(compare_losses).parameters.items()}
    given = {"bundle": "b", "losses": ["CE"], "out": "o", "config_files": [], "overrides": {}}
    assert compared == defaults | given
    compared["failures"] = {}
    options = "--losses own.yaml --seeds 3 --folds 2 --baseline CE --config a.json --config b.json --foreground 2"
    main([*COMPARE, *options.split(), "--component-value", "1", "--workers", "2"])
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
    main([*COMPARE, "--set", text])
    assert compared["overrides"] == {text.partition("=")[0]: value}


def test_set_may_be_given_again(compared: dict[str, Any]) -> None:
    main([*COMPARE, "--set", "a=1", "b=2", "--set", "c=3", "--set", "a=4"])
    assert compared["overrides"] == {"a": 4, "b": 2, "c": 3}
    main(COMPARE)
    assert compared["overrides"] == {}  # of a command of its own


def test_trainings_that_failed_are_named(compared: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    compared["failures"] = {Cell("CE", 1, 2): "out of memory"}
    with pytest.raises(SystemExit) as error:
        main(COMPARE)
    assert error.value.code == LEFT_OUT == 3
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
    folders = ["--bundle", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as error:
        main([*COMPARE, *folders, *options])
    assert error.value.code == status
    last = capsys.readouterr().err
    assert message in last.splitlines()[-1]
    assert status == 2 or last.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_comparisons_need_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "monai_cwmi.comparison", None)
    with pytest.raises(SystemExit) as error:
        main(COMPARE)
    assert error.value.code == 1
    assert capsys.readouterr().err.endswith("Comparisons need: pip install 'monai-cwmi[compare]'\n")


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "compare_losses", interrupt)
    with pytest.raises(SystemExit) as stopped:
        main(COMPARE)
    assert stopped.value.code == 130
    said = "Interrupted. Trainings that are complete are kept; repeat the command to go on."
    assert capsys.readouterr().err.strip() == said
