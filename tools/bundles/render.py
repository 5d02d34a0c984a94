"""Write the configuration files of all bundles: ``python tools/bundles/render.py``, or ``make bundles``.

A bundle is delivered complete, so most of what is in its files is in those of the others too. Here it stands once:

* ``files/`` holds files that are copied into each bundle;
* ``layers/base.yaml`` holds what the other files have in common, and further layers what some bundles add to it;
* ``tasks/<bundle>.yaml`` holds what one bundle adds, and names its layers.

A layer, and likewise a task, is a mapping of files to their entries. A section may name several files, with ``, ``
between. Entries are merged into those of earlier layers:

* a mapping into a mapping, by key, unless it has a ``_target_``: then it replaces the other, with all arguments;
* a mapping into a list, by index, of which the first is 0;
* anything else replaces what was there.

``<absent>`` removes an entry. In the base and in lists, it also reserves the place of an entry that later layers give.
``<needed>`` stands for an entry that later layers must give. For a file of ``files/``, a section maps texts, each of
which must be there exactly once, to the texts that replace them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ABSENT, NEEDED = "<absent>", "<needed>"
WIDTH = 120


def check_mapping(value: Any, place: str) -> dict[Any, Any]:
    """Return a value that must be a mapping; raise a ValueError if it is none."""
    if not isinstance(value, dict):
        raise ValueError(f"{place}: must be a mapping, but is {value!r}.")
    return value


def read_layer(path: Path) -> dict[str, Any]:
    """Read a layer or a task; raise a ValueError if it is no mapping."""
    with path.open(encoding="utf-8") as stream:
        return check_mapping(yaml.safe_load(stream), str(path))


def find_layers(task: Path, names: Any) -> list[Path]:
    """Find the files of a task's layers; raise a ValueError if there is no list of names, or no such layer."""
    layers = {path.stem: path for path in sorted((HERE / "layers").glob("*.yaml")) if path.stem != "base"}
    if not isinstance(names, list) or not set(names) <= set(layers):
        raise ValueError(f"{task}: layers must be a list of none or some of {', '.join(layers)}, but is {names!r}.")
    return [layers[name] for name in names]


def merge(below: Any, above: Any, place: str) -> Any:
    """Merge the entries of a layer into those of earlier layers, and return the result.

    Args:
        below: the entries of earlier layers; they are not changed.
        above: the entries of the layer.
        place: the file of the layer and the key, for messages.

    Raises:
        ValueError: if there is no such entry to remove, or no such index.
    """
    if not isinstance(above, dict) or "_target_" in above:
        return above
    merged = dict(enumerate(below)) if isinstance(below, list) else dict(below) if isinstance(below, dict) else {}
    for key, value in above.items():
        if isinstance(below, list) and key not in range(len(merged) + 1):
            raise ValueError(f"{place}: has {len(merged)} items, and {key!r} is not an index from 0 to {len(merged)}.")
        if value == ABSENT and key not in merged:
            raise ValueError(f"{place}#{key}: cannot be removed, as no earlier layer has it.")
        merged[key] = merge(merged.get(key), value, f"{place}#{key}")
    return list(merged.values()) if isinstance(below, list) else merged


def replace(text: str, replacements: dict[str, str], place: str) -> str:
    """Replace texts in a file; raise a ValueError if one is not in it, or more than once."""
    for old, new in replacements.items():
        if (count := text.count(old)) != 1:
            raise ValueError(f"{place}: {old!r} must be in the file once, but is there {count} times.")
        text = text.replace(old, new)
    return text


def finish(value: Any, place: str) -> Any:
    """Leave out what is absent; raise a ValueError if an entry is needed."""
    if value == NEEDED:
        raise ValueError(f"{place}: is needed, but neither the task nor its layers give it.")
    if isinstance(value, dict):
        return {key: finish(item, f"{place}#{key}") for key, item in value.items() if item != ABSENT}
    if isinstance(value, list):
        return [finish(item, f"{place}#{index}") for index, item in enumerate(value) if item != ABSENT]
    return value


def format_json(value: Any, indent: int = 0, used: int = 0) -> str:
    """Format as JSON, with a list on one line if it fits there and holds neither lists nor mappings."""
    line = json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list):
        return line
    margin = " " * (indent + 4)
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            head = f"{margin}{json.dumps(str(key), ensure_ascii=False)}: "
            lines.append(head + format_json(item, indent + 4, len(head)))
    elif used + len(line) <= WIDTH and not any(isinstance(item, dict | list) for item in value):
        return line
    else:
        lines = [margin + format_json(item, indent + 4, indent + 4) for item in value]
    return line[0] + "\n" + ",\n".join(lines) + "\n" + " " * indent + line[-1]


def render(task: Path) -> dict[str, str]:
    """Make the files of a bundle, all but those of its ``docs``.

    Args:
        task: the file of the task.

    Returns:
        the text of each file, by its path in the folder of the bundle.

    Raises:
        ValueError: if the task or one of its layers has a fault. The message names the file and the entry.
    """
    entries = read_layer(task)
    layers = {path: read_layer(path) for path in find_layers(task, entries.pop("layers", None))}
    files: dict[str, Any] = {path.name: path.read_text(encoding="utf-8") for path in (HERE / "files").iterdir()}
    files |= read_layer(HERE / "layers" / "base.yaml")
    for path, layer in (layers | {task: entries}).items():
        for section, content in layer.items():
            for name in section.split(", "):
                below: Any = files.get(name)
                edit = replace if isinstance(below, str) else merge
                files[name] = edit(below, check_mapping(content, f"{path}: {section}"), f"{path}: {name}")
    for name, content in files.items():
        if not isinstance(content, str):
            files[name] = format_json(finish(content, f"{task}: {name}")) + "\n"
    license_text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    return {"LICENSE": license_text} | {f"configs/{name}": text for name, text in files.items()}


def write(task: Path, bundles: Path) -> Path:
    """Write the files of a bundle into a folder named as the task, and return the folder."""
    folder = bundles / task.stem
    for name, text in render(task).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    for each in sorted((HERE / "tasks").glob("*.yaml")):
        print(write(each, ROOT / "bundles"))
