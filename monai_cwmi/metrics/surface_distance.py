"""Distances between surfaces in the unit of the affine, which is millimetres for scans."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.handlers import IgniteMetricHandler
from monai.metrics import compute_average_surface_distance


class ClassSurfaceDistance(IgniteMetricHandler):
    """The symmetric average distance between the surfaces of prediction and target, for each class.

    MONAI's own handler counts in voxels and gives one mean. This one reads each target's voxel size from its affine,
    and names a value for each class but the background in the engine's metrics, the mean over cases. A case counts for
    the classes that it has in prediction or target; where only one of these has the class, the distance is infinite. A
    class that no case has is NaN.

    Args:
        class_names: names of the classes, the background's first. A class is ``surface_distance_<name>`` among the
            metrics.
        output_transform: takes one-hot predictions and targets out of the engine's output, as lists of channel-first
            ``MetaTensor``.

    Example::

        ClassSurfaceDistance(["background", "liver"], from_engine(["pred", "label"])).attach(evaluator, "surface")
    """

    def __init__(self, class_names: Sequence[str], output_transform: Callable[[Any], Any] = lambda output: output):
        # MONAI calls its loss metric's function on one case after another, and takes any function.
        super().__init__(loss_fn=_distances, output_transform=output_transform, reduction="none")
        self.class_names = tuple(class_names)

    def compute(self) -> dict[str, float]:
        """The mean over cases for each class but the background."""
        super().compute()
        names = [f"surface_distance_{name}" for name in self.class_names[1:]]
        distances = self.metric_fn.get_buffer()  # (cases, C), or None without any case
        if distances is None:
            return dict.fromkeys(names, math.nan)
        # Not MONAI's mean, which is 0 of a class that no case has: a perfect distance.
        return dict(zip(names, distances.nanmean(dim=0).tolist(), strict=True))


def _distances(prediction: torch.Tensor, target: MetaTensor) -> torch.Tensor:
    spacing = target.pixdim.tolist()
    return compute_average_surface_distance(prediction, target, symmetric=True, spacing=spacing)
