"""Targets and predictions that break losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SHAPES = [(8, 8), (8, 31), (37, 50), (64, 64)]


def _blobs(shape: tuple[int, int]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 1, *(max(2, n // 8) for n in shape), generator=generator)
    return (torch.nn.functional.interpolate(coarse, size=shape, mode="bicubic")[0, 0] > 0.5).float()


def targets(shape: tuple[int, int]) -> dict[str, Tensor]:
    """Masks ``(H, W)`` by name."""
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in shape), indexing="ij")
    pixel = torch.zeros(shape)
    pixel[shape[0] // 2, shape[1] // 2] = 1
    return {
        "empty": torch.zeros(shape),
        "full": torch.ones(shape),
        "half": (columns < shape[1] // 2).float(),
        "stripes of 2": (columns // 2 % 2).float(),
        "stripes of 4": (rows // 4 % 2).float(),
        "checkerboard": ((rows + columns) % 2).float(),
        "checkerboard of 2": ((rows // 2 + columns // 2) % 2).float(),
        "random": (torch.rand(shape, generator=torch.Generator().manual_seed(0)) > 0.5).float(),
        "blobs": _blobs(shape),
        "one pixel": pixel,
    }


def _noise(target: Tensor) -> Tensor:
    return torch.rand(target.shape, generator=torch.Generator().manual_seed(2))


PREDICTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "perfect": lambda y: y,
    "inverted": lambda y: 1 - y,
    "nearly perfect": lambda y: 0.98 * y + 0.01 + 1e-3 * _noise(y),
    "random": _noise,
    "constant": lambda y: torch.full_like(y, 0.3),
    "empty": torch.zeros_like,
    "full": torch.ones_like,
    "low contrast": lambda y: 1e-3 * y + 0.1,
    "half noise": lambda y: 0.5 * y + 0.5 * _noise(y),
    "shifted": lambda y: y.roll((1, 2), (0, 1)),
    "stripes": lambda y: (torch.arange(y.shape[1]) // 4 % 2).to(y).expand_as(y).clone(),
}


def example(channels: int = 3, size: tuple[int, int] = (32, 40)) -> tuple[torch.Tensor, torch.Tensor]:
    """Random logits ``(2, C, H, W)`` and labels ``(2, 1, H, W)``."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, max(channels, 2), (2, 1, *size), generator=generator)
    return torch.randn(2, channels, *size, generator=generator, requires_grad=True), labels
