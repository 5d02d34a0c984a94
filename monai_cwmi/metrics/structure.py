"""How well the structure of masks is kept, as MONAI's cumulative metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction, ignore_background
from monai.utils import MetricReduction
from torch import Tensor

from monai_cwmi.metrics.functional import (
    adjusted_rand_index,
    betti_error,
    cl_dice,
    modified_hausdorff,
    variation_of_information,
)


class _StructureMetric(CumulativeIterationMetric):
    """Scores each image and channel by one of :mod:`monai_cwmi.metrics.functional`, and reduces as MONAI does.

    Both inputs are ``(B, C, spatial)`` or lists of channel-first tensors, of the values 0 and 1. Where there are
    several channels, they are exclusive classes, and pixels of ``y`` that have none of them are not labelled: they
    count nowhere. An image that is not labelled at all scores NaN, which the reductions leave out.
    """

    def __init__(
        self,
        score: Callable[..., Tensor],
        include_background: bool,
        reduction: MetricReduction | str,
        get_not_nans: bool,
    ) -> None:
        super().__init__()
        self.score = score
        self.include_background = include_background
        self.reduction = MetricReduction(reduction)
        self.get_not_nans = get_not_nans

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        """``(B, C)``, or ``(B, C - 1)`` without the background."""
        if y is None or y_pred.shape != y.shape:
            shapes = tuple(y_pred.shape), None if y is None else tuple(y.shape)
            raise ValueError("y_pred and y must have one shape (B, C, spatial), got {} and {}.".format(*shapes))
        mask = (y != 0).any(1, keepdim=True) if y.shape[1] > 1 else None
        if not self.include_background:
            y_pred, y = ignore_background(y_pred, y)
        channels = zip(y_pred.split(1, dim=1), y.split(1, dim=1), strict=True)
        return torch.stack([self.score(*channel, mask=mask) for channel in channels], dim=1)

    def aggregate(self, reduction: MetricReduction | str | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Reduce what was scored since the last reset.

        Args:
            reduction: In place of that of the constructor.

        Returns:
            The reduced scores, with ``get_not_nans`` also how many were not NaN. Where none was, the result is NaN.

        Raises:
            ValueError: When nothing was scored.
        """
        scores = self.get_buffer()
        if scores is None:
            raise ValueError(f"{type(self).__name__} has scored no image yet.")
        reduced, not_nans = do_metric_reduction(scores, reduction or self.reduction)
        reduced = torch.where(not_nans == 0, torch.nan, reduced)  # MONAI has 0, which of an error would be perfect
        return (reduced, not_nans) if self.get_not_nans else reduced


class VariationOfInformationMetric(_StructureMetric):
    """Variation of information between connected components, in bits; less is better.

    See :func:`monai_cwmi.metrics.functional.variation_of_information`. The inputs are one-hot, batch-first or lists of
    channel-first tensors; pixels of ``y`` whose channels are all 0 are not labelled, unless there is one channel only.

    Args:
        include_background: Whether channel 0 is scored, where there are several.
        component_value: Components are those of the region of a channel with this value, 0 or 1.
        connectivity: Axes that a step to a neighbour may go along.
        reduction: Of scores ``(B, C)``: "none", "mean", "sum", "mean_batch", "sum_batch", "mean_channel" or
            "sum_channel".
        get_not_nans: Whether ``aggregate`` also returns how many scores were not NaN.

    Raises:
        ValueError: When ``reduction`` is another word; when called, as the function.

    Example:
        >>> metric = VariationOfInformationMetric(include_background=False, component_value=0)
        >>> membrane = torch.tensor([[[[0, 0, 1, 0, 0]]]])
        >>> metric(torch.zeros(1, 2, 1, 5), torch.cat([1 - membrane, membrane], dim=1))
        tensor([[1.]])
        >>> metric.aggregate()
        tensor([1.])
    """

    def __init__(
        self,
        include_background: bool = True,
        component_value: int = 1,
        connectivity: int = 1,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
    ) -> None:
        score = partial(variation_of_information, component_value=component_value, connectivity=connectivity)
        super().__init__(score, include_background, reduction, get_not_nans)


class AdjustedRandIndexMetric(_StructureMetric):
    """Adjusted Rand index of connected components; more is better, 1 is best.

    See :func:`monai_cwmi.metrics.functional.adjusted_rand_index`, and :class:`VariationOfInformationMetric` for inputs,
    arguments and exceptions.
    """

    def __init__(
        self,
        include_background: bool = True,
        component_value: int = 1,
        connectivity: int = 1,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
    ) -> None:
        score = partial(adjusted_rand_index, component_value=component_value, connectivity=connectivity)
        super().__init__(score, include_background, reduction, get_not_nans)


class ModifiedHausdorffMetric(_StructureMetric):
    """Modified Hausdorff distance in pixels; less is better. One image with one empty mask makes the mean infinite.

    See :func:`monai_cwmi.metrics.functional.modified_hausdorff`, and :class:`VariationOfInformationMetric` for inputs,
    arguments and exceptions.
    """

    def __init__(
        self,
        include_background: bool = True,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
    ) -> None:
        super().__init__(modified_hausdorff, include_background, reduction, get_not_nans)


class BettiErrorMetric(_StructureMetric):
    """Error of the Betti numbers; less is better.

    See :func:`monai_cwmi.metrics.functional.betti_error`, and :class:`VariationOfInformationMetric` for inputs, the
    other arguments and exceptions.

    Args:
        dimension: 0 for the number of components alone, 1 for that of holes or tunnels. Default: the sum of both.
    """

    def __init__(
        self,
        include_background: bool = True,
        dimension: int | None = None,
        component_value: int = 1,
        connectivity: int = 1,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
    ) -> None:
        score = partial(betti_error, dimension=dimension, component_value=component_value, connectivity=connectivity)
        super().__init__(score, include_background, reduction, get_not_nans)


class ClDiceMetric(_StructureMetric):
    """Centreline Dice; more is better, 1 is best.

    See :func:`monai_cwmi.metrics.functional.cl_dice`, and :class:`VariationOfInformationMetric` for inputs, arguments
    and exceptions.
    """

    def __init__(
        self,
        include_background: bool = True,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
    ) -> None:
        super().__init__(cl_dice, include_background, reduction, get_not_nans)
