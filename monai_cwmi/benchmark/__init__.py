"""What losses cost, measured side by side."""

from monai_cwmi.benchmark.growth import Growth, measure_growth
from monai_cwmi.benchmark.measurements import growth_table, save_growth, save_speed, speed_table
from monai_cwmi.benchmark.speed import Timing, measure_speed

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
