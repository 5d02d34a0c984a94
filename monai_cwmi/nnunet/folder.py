"""Where nnU-Net finds the trainers."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path

LOWEST = "2.8"  # the first nnU-Net to look for trainers in the folders of nnUNet_extTrainer


def trainers_folder() -> Path:
    """The folder for nnU-Net's environment variable ``nnUNet_extTrainer``.

    Example:
        >>> trainers_folder().name
        'trainers'
    """
    return Path(__file__).resolve().parent / "trainers"


def nnunet_problem() -> str | None:
    """Why nnU-Net cannot use the trainers here, in one sentence; ``None`` if it can."""
    from monai.utils import version_leq  # at the top it would take seconds to import

    advice = "pip install 'monai-cwmi[nnunet]'"
    try:
        version = importlib.metadata.version("nnunetv2")
    except importlib.metadata.PackageNotFoundError:
        return f"nnU-Net is not installed in this environment: {advice}"
    if not version_leq(LOWEST, version):
        return f"nnU-Net {version} knows no nnUNet_extTrainer, which needs {LOWEST} or newer: {advice}"
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # a build for another torch fails in many ways
        first = next(iter(str(error).splitlines()), "")
        return (
            f"nnU-Net imports torchvision, which does not load ({type(error).__name__}: {first}). "
            f"Install the one that belongs to torch {importlib.metadata.version('torch')}, from where torch came: "
            "pip install --force-reinstall --no-deps torchvision"
        )
    return None
