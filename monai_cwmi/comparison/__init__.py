"""What losses cost, measured side by side."""

from monai_cwmi.comparison.growth import Growth, measure_growth
from monai_cwmi.comparison.report import growth_table, save_growth, save_speed, speed_table
from monai_cwmi.comparison.speed import Timing, measure_speed

__all__ = [
    "Growth",
    "Timing",
    "growth_table",
    "measure_growth",
    "measure_speed",
    "save_growth",
    "save_speed",
    "speed_table",
]
