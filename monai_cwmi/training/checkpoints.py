"""Weights to start from, and what is to be known of a network beside its weights."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.networks.utils import copy_model_state, freeze_layers
from monai.utils import ensure_tuple
from torch import nn


def load_pretrained(network: nn.Module, checkpoint: str | os.PathLike[str]) -> nn.Module:
    """Load what fits of a checkpoint, and print what was loaded and what was not.

    A tensor fits when the network has one of the same name and shape. The others, as the head of a network for another
    number of classes, keep the values they have.

    Args:
        network: the network to load into.
        checkpoint: a file with the network's ``state_dict``, by itself or under ``"model"``.

    Returns:
        The network.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file does not hold weights, or none of them fits.

    Example::

        network = load_pretrained(UNet(2, 1, 4, (16, 32), (2,)), "models/model.pt")
    """
    state = _read_weights(Path(checkpoint))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    merged, loaded, kept = copy_model_state(network, state)
    if not loaded:
        raise ValueError(
            f"Nothing in {checkpoint} fits the network: no tensor of the same name and shape, as "
            f"{next(iter(shapes), None)!r}. Is it a checkpoint of another network?"
        )
    share = sum(merged[name].numel() for name in loaded) / sum(tensor.numel() for tensor in merged.values())
    print(f"Loaded {len(loaded)} of {len(shapes)} tensors, {share:.1%} of all values, from {checkpoint}.")
    for name in kept:
        reason = f"{tuple(state[name].shape)} in the checkpoint" if name in state else "not in the checkpoint"
        print(f"  not loaded, starts anew: {name}, {shapes[name]} here, {reason}")
    for name in state:
        if name not in shapes:
            print(f"  in the checkpoint only: {name}")
    return network


def freeze(network: nn.Module, patterns: str | Sequence[str]) -> nn.Module:
    """Keep parameters as they are in training, and print which.

    Running statistics of batch normalisation are no parameters and go on changing.

    Args:
        network: the network.
        patterns: regular expressions, each found somewhere in the names of the parameters that it freezes.

    Returns:
        The network.

    Raises:
        ValueError: When a pattern is found in no name, or nothing is left to train.

    Example::

        freeze(network, ["^encoder", "norm"])
    """
    names = [name for name, _ in network.named_parameters()]
    for pattern in ensure_tuple(patterns):
        if not any(re.search(pattern, name) for name in names):
            raise ValueError(f"freeze_layers: {pattern!r} is found in none of the parameters {', '.join(names)}.")
    if patterns:
        freeze_layers(network, freeze_vars="|".join(f"(?:{pattern})" for pattern in ensure_tuple(patterns)))
        frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
        if len(frozen) == len(names):
            raise ValueError(f"freeze_layers: {patterns} leaves no parameter to train.")
        print(f"Frozen {len(frozen)} of {len(names)} parameters: {', '.join(frozen)}")
    return network


def describe_model(
    ckpt_dir: str | os.PathLike[str],
    *,
    bundle_root: str | os.PathLike[str],
    dataset_dir: str | os.PathLike[str],
    in_channels: int,
    **entries: Any,
) -> None:
    """Write ``model.json`` beside the weights: an overlay that makes a bundle's configs fit them.

    Args:
        ckpt_dir: folder of ``model.pt``. The overlay names it relative to the bundle's folder.
        bundle_root: the bundle's folder.
        dataset_dir: the data set that the network is trained on.
        in_channels: number of channels of the images.
        entries: all else in which the model may differ from the bundle's own, as ``class_names`` and ``patch_size``.

    Example::

        names = ["background", "heart"]
        describe_model("models/heart", bundle_root=".", dataset_dir="my_hearts", in_channels=1, class_names=names)
    """
    folder = Path(ckpt_dir)
    folder.mkdir(parents=True, exist_ok=True)
    place = "/" + Path(os.path.relpath(folder, bundle_root)).as_posix()
    overlay = {
        "ckpt_dir": f"$@bundle_root + {place!r}",
        "ckpt_path": "$@ckpt_dir + '/model.pt'",
        "dataset_dir": os.path.abspath(dataset_dir),
        "network_def#in_channels": in_channels,
    }
    (folder / "model.json").write_text(json.dumps(overlay | entries, indent=2) + "\n")


def _read_weights(path: Path) -> Mapping[str, torch.Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"The checkpoint {path} does not exist.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # which kind, depends on what the file is instead
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} cannot be read as a file of weights: {reason}") from error
    weights = content.get("model", content) if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ValueError(f"{path} holds no state_dict of a network.")
    return weights
