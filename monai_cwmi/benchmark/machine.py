"""The machine and the versions that results were made with."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch


def environment(device: str) -> dict[str, Any]:
    """The machine and the versions that results were made with, by name.

    Args:
        device: ``"cpu"`` or a CUDA device.

    Returns:
        Device, GPU (None for a CPU), CPU, number of threads, and the versions of Python, torch, monai and monai_cwmi.

    Example:
        >>> environment("cpu")["device"]
        'cpu'
    """
    return {
        "device": device,
        "gpu": torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else None,
        "cpu": _cpu_model(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "monai", "monai_cwmi")},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (models or [platform.processor() or platform.machine()])[0]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
