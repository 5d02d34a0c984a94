"""Metrics that MONAI lacks: of structure, topology and information at each scale; of surfaces, a handler."""

from monai_cwmi.metrics import functional
from monai_cwmi.metrics.level_metric import InformationByLevelMetric
from monai_cwmi.metrics.levels import LevelInformation, information_by_level, structure_sizes
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
    "InformationByLevelMetric",
    "LevelInformation",
    "ModifiedHausdorffMetric",
    "VariationOfInformationMetric",
    "functional",
    "information_by_level",
    "structure_sizes",
]
