"""Metrics that MONAI lacks, as handlers of its evaluators."""

from monai_cwmi.metrics.surface_distance import ClassSurfaceDistance

__all__ = ["ClassSurfaceDistance"]
