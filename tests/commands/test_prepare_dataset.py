from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from monai_cwmi.__main__ import main
from monai_cwmi.clinic import Problem, Summary, prepare_dataset

PREPARE = ["prepare-dataset", "--images", "in", "--labels", "in2", "--out", "out"]


def test_prepare_dataset_hands_over_its_options_and_prints_the_summary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, Any] = {}

    def prepare(images: str, labels: str, out: str, **options: Any) -> Summary:
        seen.update(options, places=(images, labels, out))
        return Summary(Path(out), 3, {"training": 3}, ())

    monkeypatch.setattr("monai_cwmi.clinic.prepare_dataset", prepare)
    main(PREPARE)
    defaults = {key: value.default for key, value in inspect.signature(prepare_dataset).parameters.items()}
    assert seen.pop("places") == ("in", "in2", "out")
    assert seen == {key: value for key, value in defaults.items() if key in seen}
    assert capsys.readouterr().out == "Written: 3 cases. Left out: 0. In out: 3 training.\n"
    options = "--classes liver cyst --label-values 1 3 --fractions 0.5 0.2 0.3 --seed 4 --patient-pattern P.. --key k"
    main([*PREPARE, *options.split()])
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
    monkeypatch.setattr("monai_cwmi.clinic.prepare_dataset", lambda *places, **options: summary)
    with pytest.raises(SystemExit) as error:
        main(PREPARE)
    assert error.value.code == status
    assert capsys.readouterr().out.startswith("warning: a: odd\nerror: b: broken\nWritten: 2 cases. Left out: 1.")
