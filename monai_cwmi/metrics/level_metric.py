"""Explained variance at each level, as a cumulative metric of MONAI."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from monai.utils import MetricReduction
from torch import Tensor

from monai_cwmi.bands.voxel_sizes import voxel_sizes
from monai_cwmi.metrics.levels import information_by_level
from monai_cwmi.metrics.structure import _StructureMetric


class InformationByLevelMetric(_StructureMetric):
    """Explained variance (adjusted R^2) of the target's bands, level by level, finest first; more is better, 1 is best.

    It is the ``explained_variance`` of :func:`monai_cwmi.metrics.information_by_level`, which says what it means.
    Scores are ``(B, C, N)``, and every reduction leaves the levels apart: ``aggregate`` gives ``(N,)`` with "mean",
    ``(C, N)`` with "mean_batch", ``(B, N)`` with "mean_channel". A class that is absent from an image's target scores
    NaN there, and so do levels at which the image has too few independent coefficients; the reductions leave NaN out.

    Means over images are means of shares: each case counts the same, as with mean Dice, however large its structures
    are. Within a volume that is compared slice by slice, energies are added up first: the slices are no cases.

    Inputs are one-hot classes or probabilities, batch-first or lists of channel-first tensors; pixels of ``y`` whose
    channels are all 0 are not labelled, unless there is one channel only.

    Args:
        include_background: Whether channel 0 is scored, where there are several.
        num_levels: ``N``.
        num_orientations: ``K``.
        slice_dims: Axes that volumes are cut along.
        spacing: Size of a voxel along each axis; ``"affine"`` takes it from that of ``y``, a ``MetaTensor``.
        reduction: Of scores over images and channels.
        get_not_nans: Whether ``aggregate`` also returns how many scores were not NaN.

    Raises:
        ValueError: When ``reduction`` is another word; when called, as the function.

    Example:
        >>> metric = InformationByLevelMetric(reduction="mean_batch")
        >>> target = torch.zeros(1, 1, 64, 64)
        >>> target[..., 16:48, 16:48] = 1
        >>> blurred = torch.nn.functional.avg_pool2d(target, 7, stride=1, padding=3)
        >>> metric(blurred, target).shape
        torch.Size([1, 1, 4])
        >>> [f"{share:.0%}" for share in metric.aggregate()[0]]
        ['31%', '43%', '97%', '100%']
    """

    def __init__(
        self,
        include_background: bool = True,
        num_levels: int = 4,
        num_orientations: int | None = None,
        slice_dims: Sequence[int] | None = (-1,),
        spacing: Sequence[float] | Literal["affine"] | None = None,
        reduction: MetricReduction | str = MetricReduction.MEAN_BATCH,
        get_not_nans: bool = False,
    ) -> None:
        pyramid: dict[str, Any] = {"num_levels": num_levels, "num_orientations": num_orientations}
        score = partial(_explained_variance, slice_dims=slice_dims, spacing=spacing, **pyramid)
        super().__init__(score, include_background, reduction, get_not_nans)


def _explained_variance(
    prediction: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None,
    spacing: Sequence[float] | Literal["affine"] | None,
    num_levels: int,
    **options: Any,
) -> Tensor:
    """``(B, N)`` of one channel ``(B, 1, spatial)``."""
    sizes = voxel_sizes(prediction, target, spacing)
    sizes = sizes * len(target) if len(sizes) == 1 else sizes
    scores = []
    for number, size in enumerate(sizes):
        one = slice(number, number + 1)
        image = [torch.as_tensor(tensor)[one].detach() for tensor in (prediction, target)]
        its_mask = None if mask is None else mask[one]
        levels = information_by_level(*image, mask=its_mask, spacing=size, num_levels=num_levels, **options)
        shares = levels.explained_variance[:, 0, 0]
        scores.append(F.pad(shares, (0, num_levels - len(shares)), value=torch.nan))
    return torch.stack(scores)
