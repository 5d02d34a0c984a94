"""What losses cost, measured side by side."""

from monai_cwmi.benchmark.cost_files import save_growth, save_speed
from monai_cwmi.benchmark.cost_tables import growth_table, speed_table
from monai_cwmi.benchmark.growth import measure_growth
from monai_cwmi.benchmark.speed import measure_speed
from monai_cwmi.benchmark.timings import Growth, Timing

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
