"""CWMI of one output of an nnU-Net network. Needs torch and MONAI, not nnU-Net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monai_cwmi.losses import CWMILoss

# nnU-Net's own rule (``ANISO_THRESHOLD``): voxels this many times as long as wide are no cubes any more.
ANISOTROPIC = 3.0
# What stands for ignored voxels in a region's target of 0 and 1. A number from 0 on could be taken for a channel.
IGNORED = -1


class HeadLoss(nn.Module):
    """CWMI of one output of a network and the target that nnU-Net made for it, by itself or added to another loss.

    nnU-Net's ``DeepSupervisionWrapper`` calls it for each output of deep supervision. All of them show the same patch,
    so an output's spacing is the patch's extent over the output's size; it may grow along some axes only, as nnU-Net
    pools. Of volumes whose voxels are nearly cubes the whole is compared, which prefers no axis and is indifferent to
    nnU-Net's mirroring; if they are longer than three times their width, the slices across the long axis.

    Args:
        patch_size: Size of the patches, in nnU-Net's order of axes (the first is the slowest, and mostly the coarsest).
        spacing: Size of a voxel along each axis, in the same order.
        has_regions: Whether channels are regions that may overlap, each after a sigmoid, and not exclusive classes
            after a softmax. The target then has one channel of 0 and 1 for each region and, with an ignore label, a
            last one that is 1 where voxels are ignored. Otherwise it holds class indices.
        ignore_label: The ignored class, or ``None`` without.
        beside: Another loss of ``(output, target)`` to add to it.
        **options: Weights and other options of :class:`monai_cwmi.CWMILoss`.

    Raises:
        ValueError: When there are not as many spacings as axes, or an option is out of its range.

    Example:
        >>> loss = HeadLoss((64, 96, 96), (3.0, 0.8, 0.8), has_regions=False, ignore_label=None)
        >>> output = torch.randn(2, 3, 64, 48, 48, requires_grad=True)  # the second head: pooled in the plane
        >>> loss(output, torch.randint(0, 3, (2, 1, 64, 48, 48), dtype=torch.int16)).backward()
    """

    def __init__(
        self,
        patch_size: Sequence[int],
        spacing: Sequence[float],
        *,
        has_regions: bool,
        ignore_label: int | None,
        beside: nn.Module | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if len(patch_size) != len(spacing):
            raise ValueError(f"spacing must have a number for each axis of {tuple(patch_size)}, got {tuple(spacing)}.")
        self.extent = tuple(float(size * step) for size, step in zip(patch_size, spacing, strict=True))
        self.has_ignored_channel = has_regions and ignore_label is not None
        self.cwmi = CWMILoss(
            sigmoid=has_regions,
            softmax=not has_regions,
            to_onehot_y=not has_regions,
            ignore_index=IGNORED if self.has_ignored_channel else ignore_label,
            slice_dims=sliced_axes(spacing),
            **options,
        )
        self.beside = beside

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            output: Logits ``(B, C, spatial)`` of one head, of any floating-point dtype.
            target: ``(B, 1, spatial)`` of class indices, or ``(B, R, spatial)`` of regions, or ``(B, R + 1, spatial)``
                of regions and ignored voxels; any dtype.

        Returns:
            A number, in float32.

        Raises:
            AssertionError: When the shapes do not fit.
        """
        spacing = [length / size for length, size in zip(self.extent, output.shape[2:], strict=True)]
        regions = ignored_as_value(target) if self.has_ignored_channel else target
        loss = self.cwmi(output, regions, spacing=spacing)
        return loss if self.beside is None else loss + self.beside(output, target)


def sliced_axes(spacing: Sequence[float]) -> tuple[int, ...] | None:
    """Which slices of a volume are compared: those across its long voxels' axis, or ``None`` for the whole volume.

    Args:
        spacing: Size of a voxel along each axis, in any unit.

    Example:
        >>> sliced_axes((5.0, 0.8, 0.8)), sliced_axes((1.5, 1.0, 1.0))
        ((0,), None)
    """
    longest = max(range(len(spacing)), key=spacing.__getitem__)
    return (longest,) if spacing[longest] > ANISOTROPIC * min(spacing) else None


def ignored_as_value(target: Tensor) -> Tensor:
    """Put the last channel of a region-based target, ignored voxels, into the others.

    Args:
        target: ``(B, R + 1, spatial)`` of 0 and 1, of any dtype.

    Returns:
        ``(B, R, spatial)`` in int16, ``-1`` where voxels are ignored.

    Example:
        >>> ignored_as_value(torch.tensor([[[[1, 0, 1]], [[0, 0, 1]]]])).tolist()
        [[[[1, 0, -1]]]]
    """
    return torch.where(target[:, -1:].bool(), IGNORED, target[:, :-1].to(torch.int16))
