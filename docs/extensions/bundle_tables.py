"""Tables of a bundle's entries, read from its configuration files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from monai.bundle.properties import InferProperties, TrainProperties

# A file that is laid over others changes them; these two stand alone.
ALONE = {"train.json": TrainProperties, "inference.json": InferProperties}
LONGEST = 60


def entries(bundle: Path) -> str:
    """Markdown: where each of MONAI's required ids is, and each entry that an option can change."""
    configs = {path.name: read(path) for path in sorted((bundle / "configs").iterdir()) if path.suffix != ".conf"}
    configs.pop("metadata.json")
    parts = ["\n## Entries of the configuration\n\nRead from the files when this page was made.\n"]
    for name, properties in ALONE.items():
        parts += [f"\n**`{name}`: what MONAI requires of a bundle**\n", required(configs[name], properties)]
    parts += [
        "\n**Entries, and the overlays that change them** (`--<entry> <value>` overrides one):\n",
        options(configs),
    ]
    return "\n".join(parts)


def read(path: Path) -> dict[str, Any]:
    """One configuration file."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())  # JSON is YAML
    return content


def required(config: dict[str, Any], properties: dict[str, Any]) -> str:
    """A row for each property that MONAI looks for."""
    rows = ["| id | what | here |", "| --- | --- | --- |"]
    for about in properties.values():
        value = find(config, about["id"].split("::"))
        if about["required"] or value is not None:
            rows.append(f"| `{about['id']}` | {about['description'].strip()} | {show(value)} |")
    return "\n".join(rows) + "\n"


def options(configs: dict[str, dict[str, Any]]) -> str:
    """A row for each entry of training and inference that is a plain value or one object."""
    rows = ["| entry | " + " | ".join(f"`{name}`" for name in ALONE) + " | changed by |", "| --- | --- | --- | --- |"]
    names = dict.fromkeys(key for name in ALONE for key in configs[name])
    for key in names:
        overlays = [
            f"`{name}`" for name, config in configs.items() if name not in ALONE and any(same(key, k) for k in config)
        ]
        values = [show(configs[name].get(key)) for name in ALONE]
        rows.append(f"| `{key}` | {' | '.join(values)} | {', '.join(overlays)} |")
    return "\n".join(rows) + "\n"


def same(key: str, changed: str) -> bool:
    """Whether an overlay's entry, such as ``loss#lambda_mi``, changes the entry ``key``."""
    return changed.lstrip("+~").split("#")[0].split("::")[0] == key


def find(config: Any, keys: list[str]) -> Any:
    """A nested entry, or None."""
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def show(value: Any) -> str:
    """A value in one cell: objects by their class, long texts cut."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return f"`{value['_target_']}`" if "_target_" in value else ", ".join(f"`{key}`" for key in value)
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return ", ".join(show(each) for each in value)
    text = value if isinstance(value, str) else json.dumps(value)
    text = text if len(text) <= LONGEST else text[:LONGEST] + " …"
    return f"`{text}`".replace("|", "\\|")
