"""The configuration of a bundle, of this package or another: its parts, its loss and its lists of cases."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai.bundle import ConfigParser

from monai_cwmi.comparison.folds import Sections

if TYPE_CHECKING:
    from ignite.engine import Engine

SUFFIXES = (".json", ".yaml", ".yml")
# MONAI's names of what a bundle must have to be trained on other data; see monai.bundle.properties.
TRAINING_DATA, TRAINING_TRANSFORM = "train#dataset#data", "train#dataset#transform"
VALIDATION_DATA = "validate#dataset#data"
TRAINER, EVALUATOR = "train#trainer", "validate#evaluator"
# A comparison keeps its own records, and nothing is to be written into the bundle.
_WRITERS = {"CheckpointSaver", "MetricsSaver", "ProgressBar", "TensorBoardStatsHandler", "TensorBoardImageHandler"}
_WRITERS |= {"MLFlowHandler", "SaveImaged", "SavePanelsd", "TensorBoardPanelsHandler"}
_WRITERS.add("LossTermsHandler")  # which would cost time with one loss and not with another


@dataclass(frozen=True)
class Bundle:
    """A MONAI bundle and how it is to be trained.

    Attributes:
        root: Its folder.
        config_files: The files of its training, each laid over those before.
        overrides: Entries in place of those in the files.
    """

    root: str
    config_files: list[str]
    overrides: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the folder."""
        return Path(self.root).name


def find_bundle(
    root: str | os.PathLike[str], config_files: Sequence[str | os.PathLike[str]], overrides: Mapping[str, Any]
) -> Bundle:
    """Find the training of a bundle.

    Args:
        root: The bundle's folder.
        config_files: The files of its training, in place of ``configs/train.json`` (or YAML). Paths, or names in
            ``configs``.
        overrides: Entries in place of those in the files.

    Raises:
        FileNotFoundError: When there is no such folder or file.
        ValueError: When an override cannot be kept in a file.
    """
    folder = Path(root).resolve()
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no bundle {root}: it is not a folder.")
    if not config_files:
        found = _find_config(folder, "train")
        if found is None:
            raise FileNotFoundError(f"{folder / 'configs'} has no train.json (or YAML): name the files with --config.")
        config_files = [found]
    paths = []
    for name in config_files:
        path = next((path for path in (Path(name), folder / "configs" / name) if path.is_file()), None)
        if path is None:
            raise FileNotFoundError(f"There is no config file {name}, here or in {folder / 'configs'}.")
        paths.append(str(path.resolve()))
    return Bundle(str(folder), paths, _plain(overrides))


class Silenced:
    """Stands where a bundle has a handler or a transform that writes files, and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def attach(self, engine: Engine) -> None:
        """As a handler."""

    def __call__(self, data: Any) -> Any:
        """As a transform."""
        return data


def read_bundle(bundle: Bundle, overrides: Mapping[str, Any], *, evaluation: bool = False) -> ConfigParser:
    """Read a bundle's training, with nothing in it that writes files. Nothing of it is run.

    Args:
        bundle: Which.
        overrides: Further entries in place of those in the files.
        evaluation: Lay the bundle's ``evaluate.json`` over it, if there is one.
    """
    files = list(bundle.config_files)
    if evaluation and (found := _find_config(Path(bundle.root), "evaluate")):
        files.append(str(found))
    if bundle.root not in sys.path:  # MONAI adds it too, but only when it runs
        sys.path.insert(1, bundle.root)
    parser = ConfigParser()
    parser.read_config(files)
    if metadata := _find_config(Path(bundle.root), "metadata"):
        parser.read_meta(metadata)
    own = {"bundle_root": bundle.root} if "bundle_root" in parser else {}
    parser.update(pairs=own | bundle.overrides | dict(overrides))
    parser.parse(reset=True)  # files that it names are part of it from here on
    _silence_writers(parser.get())
    parser.parse(reset=True)
    return parser


def read_sections(bundle: Bundle) -> Sections:
    """The cases that a bundle trains, validates and, by its ``evaluate.json``, tests on.

    Raises:
        ValueError: When the bundle does not name its parts as MONAI's bundles do, or a case has no image or cannot be
            kept in a file.
    """
    parser = read_bundle(bundle, {})
    missing = [name for name in (TRAINING_DATA, VALIDATION_DATA, TRAINER, EVALUATOR) if name not in parser]
    if missing:
        raise ValueError(
            f"The bundle {bundle.root} has no {' and no '.join(missing)}. A comparison needs MONAI's names of the "
            "entries that hold the lists of cases, the trainer and the evaluator."
        )
    training, validation = (parser.get_parsed_content(name) for name in (TRAINING_DATA, VALIDATION_DATA))
    test = read_bundle(bundle, {}, evaluation=True).get_parsed_content(VALIDATION_DATA)
    sections = {"training": training, "validation": validation, "test": test}
    for name, cases in sections.items():
        for case in cases:
            if not isinstance(case, Mapping) or "image" not in case:
                raise ValueError(f"A case of the {name} section has no 'image', by which it is known: {case!r}.")
    return {name: [_plain(case) for case in cases] for name, cases in sections.items()}


def find_loss(parser: ConfigParser) -> str:
    """The entry of a bundle's loss: ``loss``, or the one inside of it or that it names, for deep supervision.

    Raises:
        ValueError: When there is no entry of this name.
    """
    if "loss" not in parser:
        raise ValueError("The bundle has no entry 'loss'. Give one with --set, in its trainer's loss_function too.")
    outer = parser["loss"]
    inner = outer.get("loss") if isinstance(outer, dict) else None
    if isinstance(inner, str) and inner.startswith("@"):
        return inner[1:]
    return "loss#loss" if isinstance(inner, dict) else "loss"


def _find_config(root: Path, name: str) -> Path | None:
    paths = (root / "configs" / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _silence_writers(config: Any) -> None:
    if isinstance(config, dict):
        # Not disabled: where others refer to it, MONAI would put None.
        if str(config.get("_target_", "")).rpartition(".")[2] in _WRITERS:
            config["_target_"] = f"{__name__}.{Silenced.__name__}"
        for value in config.values():
            _silence_writers(value)
    elif isinstance(config, list):
        for value in config:
            _silence_writers(value)


def _plain(value: Any) -> Any:
    """Paths as strings: what a file in JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError(f"{value!r} is neither a path nor a number nor a text, and cannot be kept with the comparison.")
