"""The bundles' files, which are rendered from what tools/bundles says of each task."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import render
from monai_cwmi.data import list_bundles

BUNDLES = render.ROOT / "bundles"
TASKS = sorted((render.HERE / "tasks").glob("*.yaml"))


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base, a layer and a copied file, of which a task is made."""
    content = {
        "files/notes.txt": "epochs: 5\nseed: 0\n",
        "layers/base.yaml": """
            a.json: {name: <needed>, place: <absent>, steps: [1, {size: 2}], net: {_target_: A, x: 1}}
        """,
        "layers/other.yaml": "a.json: {place: here}\nb.json: {epochs: 5}",
    }
    for name, text in content.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "LICENSE").write_text("free")
    monkeypatch.setattr(render, "HERE", tmp_path)
    monkeypatch.setattr(render, "ROOT", tmp_path)
    return tmp_path


def write_task(sources: Path, text: str) -> Path:
    path = sources / "heart.yaml"
    path.write_text(text)
    return path


def parse(files: dict[str, str], name: str = "a.json") -> Any:
    return json.loads(files[f"configs/{name}"])


def test_each_bundle_has_a_task() -> None:
    assert [task.stem for task in TASKS] == list_bundles()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.stem)
def test_what_is_committed_is_what_is_rendered(task: Path) -> None:
    rendered, folder = render.render(task), BUNDLES / task.stem
    committed = {path.relative_to(folder).as_posix(): path for path in (folder / "configs").iterdir()}
    committed["LICENSE"] = folder / "LICENSE"
    assert set(committed) == set(rendered), f"Run `make bundles`, and delete what is not rendered from {folder}."
    for name, path in committed.items():
        message = f"{path} is not what tools/bundles renders. Change it there, then run `make bundles`."
        assert path.read_text(encoding="utf-8") == rendered[name], message


def test_a_bundle_is_written_into_a_folder_of_its_name(sources: Path) -> None:
    folder = render.write(write_task(sources, "layers: [other]\na.json: {name: é}"), sources / "new")
    assert folder == sources / "new" / "heart"
    written = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.*")}
    assert written == {
        "configs/notes.txt": "epochs: 5\nseed: 0\n",
        "configs/a.json": """{
    "name": "é",
    "place": "here",
    "steps": [
        1,
        {
            "size": 2
        }
    ],
    "net": {
        "_target_": "A",
        "x": 1
    }
}
""",
        "configs/b.json": '{\n    "epochs": 5\n}\n',
    }
    assert (folder / "LICENSE").read_text() == "free"


@pytest.mark.parametrize(
    ("entries", "key", "expected"),
    [
        ("net: {y: 2}", "net", {"_target_": "A", "x": 1, "y": 2}),
        ("net: {_target_: B}", "net", {"_target_": "B"}),
        ("net: {x: <absent>}", "net", {"_target_": "A"}),
        ("net: null", "net", None),
        ("steps: [3]", "steps", [3]),
        ("steps: {1: {size: 3}}", "steps", [1, {"size": 3}]),
        ("steps: {0: <absent>, 2: 4}", "steps", [{"size": 2}, 4]),
        ("steps: [1, <absent>, 2]", "steps", [1, 2]),
        ("new: {0: a}", "new", {"0": "a"}),
    ],
)
def test_how_entries_are_merged(sources: Path, entries: str, key: str, expected: Any) -> None:
    files = render.render(write_task(sources, f"layers: []\na.json: {{name: n, {entries}}}"))
    content = parse(files)
    assert content.pop(key) == expected
    untouched = {"name": "n", "steps": [1, {"size": 2}], "net": {"_target_": "A", "x": 1}}
    untouched.pop(key, None)
    assert content == untouched


def test_a_section_for_two_files(sources: Path) -> None:
    files = render.render(write_task(sources, "layers: [other]\na.json, b.json: {name: n}"))
    assert parse(files)["name"] == "n"
    assert parse(files, "b.json") == {"epochs": 5, "name": "n"}


def test_texts_are_replaced_in_a_copied_file(sources: Path) -> None:
    files = render.render(write_task(sources, "layers: []\na.json: {name: n}\nnotes.txt: {'epochs: 5': 'epochs: 9'}"))
    assert files["configs/notes.txt"] == "epochs: 9\nseed: 0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b", "heart.yaml: must be a mapping, but is ['a', 'b']."),
        ("a.json: {name: n}", "heart.yaml: layers must be a list of none or some of other, but is None."),
        ("layers: [others]", "heart.yaml: layers must be a list of none or some of other, but is ['others']."),
        ("layers: []", "heart.yaml: a.json#name: is needed, but neither the task nor its layers give it."),
        ("layers: []\na.json: 3", "heart.yaml: a.json: must be a mapping, but is 3."),
        (
            "layers: []\na.json: {old: <absent>}",
            "heart.yaml: a.json#old: cannot be removed, as no earlier layer has it.",
        ),
        ("layers: []\na.json: {new: {old: <absent>}}", "heart.yaml: a.json#new#old: cannot be removed"),
        (
            "layers: []\na.json: {steps: {3: 1}}",
            "heart.yaml: a.json#steps: has 2 items, and 3 is not an index from 0 to 2.",
        ),
        (
            "layers: []\nnotes.txt: {lr: 1}",
            "heart.yaml: notes.txt: 'lr' must be in the file once, but is there 0 times.",
        ),
        ("layers: []\nnotes.txt: {s: 1}", "heart.yaml: notes.txt: 's' must be in the file once, but is there 2 times."),
    ],
)
def test_faults_of_a_task(sources: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        render.render(write_task(sources, text))


def test_a_fault_of_a_layer_names_its_file(sources: Path) -> None:
    (sources / "layers" / "other.yaml").write_text("a.json: {old: <absent>}")
    with pytest.raises(ValueError, match=r"layers/other\.yaml: a\.json#old: cannot be removed"):
        render.render(write_task(sources, "layers: [other]\na.json: {name: n}"))


def test_long_lists_have_a_line_for_each_item() -> None:
    fits, long = ["x" * 8] * 9, ["x" * 8] * 10
    assert render.format_json({"key": fits}) == f'{{\n    "key": {json.dumps(fits)}\n}}'
    assert render.format_json({"key": long}).count("\n") == 13
    assert json.loads(render.format_json([[], {}, [[1]], long])) == [[], {}, [[1]], long]
