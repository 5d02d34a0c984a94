"""What a step that is measured works on."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import torch

from monai_cwmi.bands.spec import pyramid_spec

_HALF = (torch.float16, torch.bfloat16)
_DTYPES = (torch.float32, torch.float64, *_HALF)


@dataclass(frozen=True)
class Workload:
    """What a step works on: a batch of images, and the options of the pyramid.

    Args:
        batch: ``B``.
        classes: ``C``. One class is one channel with a sigmoid and a binary target; several are channels with a softmax
            and class indices as the target.
        size: ``(H, W)`` of images or ``(H, W, D)`` of volumes, in pixels. Volumes are compared as a whole.
        num_levels: ``N``.
        num_orientations: ``K``; 3 or 6 for volumes.
        device: ``"cpu"`` or a CUDA device.
        dtype: Of the network's output. For float16 and bfloat16 the forward pass runs inside ``torch.autocast``, as in
            training with mixed precision.

    Raises:
        ValueError: When a number is out of its range, or there is no such device or dtype.
    """

    batch: int = 10
    classes: int = 1
    size: tuple[int, ...] = (512, 512)
    num_levels: int = 4
    num_orientations: int = 4
    device: str = "cpu"
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        for name in ("batch", "classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if len(self.size) not in (2, 3) or min(self.size) < 1:
            raise ValueError(f"size must be two or three numbers from 1, got {self.size}.")
        pyramid_spec(
            (1.0,) * len(self.size),
            num_levels=self.num_levels,
            num_orientations=self.num_orientations,
            is_complex=True,
            frequency_grid="centred",
        )
        if self.dtype not in _DTYPES:
            raise ValueError(f"dtype must be one of {[dtype_name(dtype) for dtype in _DTYPES]}, got {self.dtype}.")
        _check_device(self.device)

    @property
    def is_volume(self) -> bool:
        """Whether the images have three axes."""
        return len(self.size) == 3

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the prediction, ``(B, C, H, W)`` or ``(B, C, H, W, D)``."""
        return self.batch, self.classes, *self.size

    @property
    def prediction_bytes(self) -> int:
        """Memory of the prediction in bytes, the unit in which the memory of a step can be told."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def description(self) -> str:
        """Shape of the prediction, options of the pyramid and dtype, on one line."""
        shape = " x ".join(map(str, self.shape))
        return f"{shape}, K = {self.num_orientations}, N = {self.num_levels}, {dtype_name(self.dtype)}"

    @property
    def compute_dtype(self) -> torch.dtype:
        """Dtype of targets, weights and transforms: half precision is computed in float32 where it matters."""
        return torch.float64 if self.dtype == torch.float64 else torch.float32

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The region in which a forward pass runs."""
        if self.dtype in _HALF:
            return torch.autocast(torch.device(self.device).type, dtype=self.dtype)
        return contextlib.nullcontext()


def default_device() -> str:
    """CUDA, if there is any, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def dtype_name(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def _check_device(name: str) -> None:
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ValueError(f'device must be "cpu" or "cuda", or one of several as "cuda:1", got {name!r}.')
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"there is no device {name!r}: {torch.cuda.device_count()} CUDA devices are available.")
