"""The metrics that a comparison reports: an entry of :data:`METRICS` is all that a metric needs.

The functions that compute them are looked up when an image is scored: tables and charts need the titles only.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

SURFACE_TOLERANCE = 1.0  # of the surface Dice, in pixels


class Masks(NamedTuple):
    """What the metrics of one image are computed from; masks are ``(1, C, spatial)``.

    Attributes:
        prediction: Of all classes, ``C`` channels.
        target: The same.
        inside: Of the predicted foreground, 1 channel.
        truth: Of the foreground in the target, 1 channel.
        labelled: Where there is a label, 1 channel.
        component_value: Which components metrics of topology count: the foreground's (1), or those that it separates
            (0).
    """

    prediction: Tensor
    target: Tensor
    inside: Tensor
    truth: Tensor
    labelled: Tensor
    component_value: int


class Metric(NamedTuple):
    """How a metric is written, which way it is good, and how it is computed.

    Attributes:
        title: Its name in tables.
        higher_is_better: False for distances and errors.
        digits: Decimals that are shown.
        unit: Empty for pure numbers.
        compute: From the masks of an image to a tensor of one value. Distances are in pixels. It is infinite or NaN
            where the metric has no value, as a distance to nothing.
    """

    title: str
    higher_is_better: bool
    digits: int
    unit: str
    compute: Callable[[Masks], Tensor]

    @property
    def heading(self) -> str:
        """Title, unit and direction.

        Example:
            >>> METRICS["vi"].heading
            'VI (bits) ↓'
        """
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit} {'↑' if self.higher_is_better else '↓'}"


def _overlap(function: str) -> Callable[[Masks], Tensor]:
    """A metric of MONAI: the mean over all classes."""

    def compute(masks: Masks) -> Tensor:
        per_class = _find("monai.metrics", function)
        return per_class(masks.prediction.float(), masks.target.float(), ignore_empty=False).mean()

    return compute


def _surface(function: str, **options: Any) -> Callable[[Masks], Tensor]:
    """A metric of MONAI: of the foreground's surface."""

    def compute(masks: Masks) -> Tensor:
        everywhere = {"include_background": True, "spacing": None}
        return _find("monai.metrics", function)(masks.inside.float(), masks.truth.float(), **everywhere, **options)

    return compute


def _shape(function: str) -> Callable[[Masks], Tensor]:
    """A metric of this package: of the foreground where there is a label."""

    def compute(masks: Masks) -> Tensor:
        return _find("monai_cwmi.metrics.functional", function)(masks.inside, masks.truth, mask=masks.labelled)

    return compute


def _topology(function: str, **options: Any) -> Callable[[Masks], Tensor]:
    """A metric of this package: of connected components where there is a label."""

    def compute(masks: Masks) -> Tensor:
        counted = {"component_value": masks.component_value, "mask": masks.labelled}
        return _find("monai_cwmi.metrics.functional", function)(masks.inside, masks.truth, **counted, **options)

    return compute


def _find(module: str, function: str) -> Callable[..., Tensor]:
    return getattr(import_module(module), function)


METRICS = {
    "miou": Metric("mIoU", True, 3, "", _overlap("compute_iou")),
    "mdice": Metric("mDice", True, 3, "", _overlap("compute_dice")),
    "vi": Metric("VI", False, 2, "bits", _topology("variation_of_information")),
    "ari": Metric("ARI", True, 3, "", _topology("adjusted_rand_index")),
    "mhd": Metric("HD", False, 2, "modified, px", _shape("modified_hausdorff")),
    "betti0": Metric("Betti 0 error", False, 1, "", _topology("betti_error", dimension=0)),
    "betti1": Metric("Betti 1 error", False, 1, "", _topology("betti_error", dimension=1)),
    "cldice": Metric("clDice", True, 3, "", _shape("cl_dice")),
    "assd": Metric("ASSD", False, 2, "px", _surface("compute_average_surface_distance", symmetric=True)),
    "surface_dice": Metric(
        "surface Dice", True, 3, "", _surface("compute_surface_dice", class_thresholds=[SURFACE_TOLERANCE])
    ),
}
