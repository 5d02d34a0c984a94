"""The losses that can be compared, as entries of a bundle's configuration."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from pydoc import locate
from typing import Any

import yaml
from monai.bundle import ConfigComponent, ConfigParser

CATALOGUE = Path(__file__).with_name("losses.yaml")

# What a bundle says of its predictions and labels, whichever loss compares them.
_ALWAYS_SHARED = ("include_background", "to_onehot_y", "sigmoid", "softmax", "other_act", "ignore_index")
# What it says of its volumes, to the losses that can use it.
_SHARED_WHERE_KNOWN = ("slice_dims", "spacing")


_UNDER_SCNP = "+SCNP"


@dataclass(frozen=True)
class Contestant:
    """A loss to train with.

    Attributes:
        loss: Its entry in a bundle, ``{"_target_": ..., option: value}``, without the options that all losses share.
        maps: Transforms that append maps to the label when it is loaded, as entries of a bundle.
        starts: Attributes of the loss that are 0 at first, and for how many epochs; a number below 1 is a share of
            all epochs.
        scnp: Whether it sees the worst logit of the same class around each pixel; see
            :class:`monai_cwmi.losses.SCNPLoss`.
    """

    loss: dict[str, Any]
    maps: list[dict[str, Any]] = field(default_factory=list)
    starts: dict[str, float] = field(default_factory=dict)
    scnp: bool = False


def load_contestants(names: Sequence[str | os.PathLike[str]]) -> dict[str, Contestant]:
    """Look losses up in the catalogue, or in files of the same form.

    Args:
        names: Names in the catalogue (``losses.yaml`` in this folder), each of which may end in ``+SCNP`` to stand
            under the same-class neighbour penalty, or YAML or JSON files, of which all entries are taken.

    Returns:
        The losses by name, in the order given.

    Raises:
        ValueError: When there is no such loss, two have one name, or an entry is not what it should be.

    Example:
        >>> [(name, loss.scnp) for name, loss in load_contestants(["CE", "CWMI+SCNP"]).items()]
        [('CE', False), ('CWMI+SCNP', True)]
    """
    known = _read(CATALOGUE)
    found: dict[str, Contestant] = {}
    for name in names:
        is_file = str(name).endswith((".yaml", ".yml", ".json"))
        known_name = str(name).removesuffix(_UNDER_SCNP)
        if not is_file and known_name not in known:
            raise ValueError(
                f"There is no loss named {str(name)!r}; there are: {', '.join(known)}. A YAML or JSON file with losses "
                "of your own can be given too."
            )
        entries = _read(Path(name)) if is_file else {str(name): known[known_name]}
        if not is_file and str(name) != known_name:
            entries = {str(name): replace(known[known_name], scnp=True)}
        twice = sorted(found.keys() & entries.keys())
        if twice:
            raise ValueError(f"Losses must have different names, but there are two of: {', '.join(twice)}.")
        found |= entries
    if not found:
        raise ValueError("There are no losses to compare.")
    return found


def loss_config(contestant: Contestant, bundle_loss: Any, foreground: int = 1) -> dict[str, Any]:
    """The entry of a loss in a bundle, with what the bundle's own loss says of its predictions and labels.

    Args:
        contestant: The loss.
        bundle_loss: The entry of the bundle's own loss.
        foreground: The class that is the border, the vessel or the membrane, for losses to which it is another than
            the others.

    Returns:
        The entry that takes its place.

    Raises:
        ValueError: When the bundle's entry is not an object with a ``_target_``, or the loss cannot do what the
            bundle's own does.

    Example:
        >>> from monai_cwmi.comparison.catalogue import Contestant, loss_config
        >>> own = {"_target_": "DiceLoss", "softmax": True, "to_onehot_y": True, "squared_pred": True}
        >>> loss_config(Contestant({"_target_": "TverskyLoss", "alpha": 0.3}), own)
        {'_target_': 'TverskyLoss', 'alpha': 0.3, 'to_onehot_y': True, 'softmax': True}
    """
    if not isinstance(bundle_loss, Mapping) or "_target_" not in bundle_loss:
        raise ValueError(
            f"The bundle's loss must be an object with a _target_ and its options, got {bundle_loss!r}: what it says "
            "of activation and labels holds for every loss. Give one with --set."
        )
    accepted = _parameters(contestant.loss)
    shared = {key: bundle_loss[key] for key in (*_ALWAYS_SHARED, *_SHARED_WHERE_KNOWN) if key in bundle_loss}
    if "use_softmax" in _parameters(bundle_loss):  # FocalLoss, which takes one of the two by itself
        shared["softmax" if bundle_loss.get("use_softmax") else "sigmoid"] = True
    config = dict(contestant.loss)
    for key, value in shared.items():
        if key in accepted:
            config.setdefault(key, value)
        elif key in _ALWAYS_SHARED and value not in (None, False):
            raise ValueError(
                f"{contestant.loss['_target_']} has no option {key}, which the bundle's own loss sets to {value!r}. "
                "Wrap it in monai_cwmi.losses.PreparedLoss, which has."
            )
    if "foreground" in accepted:
        config.setdefault("foreground", foreground)
    return {"_target_": "monai_cwmi.losses.SCNPLoss", "loss": config} if contestant.scnp else config


def unwrapped(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry of the loss itself, which may stand in that of a ``SCNPLoss``."""
    return config["loss"] if str(config["_target_"]).endswith("SCNPLoss") else config


def map_configs(contestant: Contestant, config: Mapping[str, Any], foreground: int) -> list[dict[str, Any]]:
    """The entries of a loss's maps, for the classes and the unlabelled pixels of the bundle.

    Args:
        contestant: The loss.
        config: What :func:`loss_config` made of it.
        foreground: The class that is the border, the vessel or the membrane.
    """
    shared = {"foreground": foreground} | ({"ignore_index": config["ignore_index"]} if "ignore_index" in config else {})
    return [
        each | {key: value for key, value in shared.items() if key in _parameters(each) and key not in each}
        for each in contestant.maps
    ]


def describe(contestants: Mapping[str, Contestant]) -> dict[str, dict[str, Any]]:
    """The losses in plain types, to be kept in a file."""
    return {name: asdict(contestant) for name, contestant in contestants.items()}


def _parameters(entry: Mapping[str, Any]) -> set[str]:
    target = ConfigComponent(config={"_target_": entry["_target_"]}).resolve_module_name()
    found = locate(target) if isinstance(target, str) else target
    if not callable(found):
        raise ValueError(f"There is no {target}.")
    return set(inspect.signature(found).parameters)


def _read(path: Path) -> dict[str, Contestant]:
    if not path.is_file():
        raise ValueError(f"There is no file {path} with losses.")
    try:
        content = ConfigParser.load_config_file(path)
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} must hold losses by name, got {content!r}.")
    contestants = {}
    for name, entry in content.items():
        try:
            contestant = Contestant(**entry)
            contestant.loss["_target_"]
        except (TypeError, KeyError) as error:
            raise ValueError(
                f"{name!r} in {path} must hold a loss with its _target_, and may hold maps, starts and scnp, but: "
                f"{error}."
            ) from error
        contestants[str(name)] = contestant
    return contestants
