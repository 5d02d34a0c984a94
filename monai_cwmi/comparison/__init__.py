"""Losses trained under equal conditions and compared: the paper's comparison, on any bundle and any data."""

from monai_cwmi.comparison.catalogue import Contestant, load_contestants
from monai_cwmi.comparison.cell_files import Cell
from monai_cwmi.comparison.report import write_report
from monai_cwmi.comparison.runner import Comparison, compare_losses

__all__ = ["Cell", "Comparison", "Contestant", "compare_losses", "load_contestants", "write_report"]
