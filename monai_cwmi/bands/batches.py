"""Images a few at a time, and the slices of volumes as images, without a copy of the whole."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Pixels, of several images together, that are worked on at a time; but at least one image for each thread.
_PIXELS = 2**19


class Group(NamedTuple):
    """Some of the images ``(V, S, H, W)`` that ``V`` volumes are cut into, and their places among all ``V S``."""

    volumes: slice
    slices: slice
    images: slice

    def of(self, images: Tensor) -> Tensor:
        """These images, ``(m, H, W)``."""
        return images[self.volumes, self.slices].flatten(0, 1)

    def put(self, images: Tensor, values: Tensor) -> None:
        """Write ``(m, H, W)`` in their place."""
        part = images[self.volumes, self.slices]
        part.copy_(values.view_as(part))


def groups(images: Tensor) -> list[Group]:
    """Groups of images ``(V, S, H, W)``, few enough at a time on a CPU to use memory over and over; all on a GPU."""
    num_volumes, num_slices = images.shape[:2]
    if images.is_cuda:
        return [Group(slice(None), slice(None), slice(None))]
    step = max(torch.get_num_threads(), _PIXELS // images[0, 0].numel())
    if num_slices == 1:
        starts = range(0, num_volumes, step)
        return [Group(slice(v, v + step), slice(None), slice(v, v + step)) for v in starts]
    return [
        Group(
            slice(v, v + 1), slice(s, s + step), slice(v * num_slices + s, v * num_slices + min(s + step, num_slices))
        )
        for v in range(num_volumes)
        for s in range(0, num_slices, step)
    ]


def as_images(volumes: Tensor, slice_dim: int | None) -> Tensor:
    """Volumes ``(V, H, W, D)`` as their slices ``(V, S, ...)``, or images ``(V, ...)`` as they are, ``(V, 1, ...)``."""
    return volumes[:, None] if slice_dim is None else volumes.movedim(1 + slice_dim, 1)
