"""Metrics that MONAI lacks: of structure and topology, and of surfaces as a handler of its evaluators."""

from monai_cwmi.metrics import functional
from monai_cwmi.metrics.structure import (
    AdjustedRandIndexMetric,
    BettiErrorMetric,
    ClDiceMetric,
    ModifiedHausdorffMetric,
    VariationOfInformationMetric,
)
from monai_cwmi.metrics.surface_distance import ClassSurfaceDistance

__all__ = [
    "AdjustedRandIndexMetric",
    "BettiErrorMetric",
    "ClDiceMetric",
    "ClassSurfaceDistance",
    "ModifiedHausdorffMetric",
    "VariationOfInformationMetric",
    "functional",
]
