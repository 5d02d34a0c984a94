"""Losses measured against each other."""

from monai_cwmi.comparison.speed import Timing, measure_speed

__all__ = ["Timing", "measure_speed"]
