"""Losses trained under equal conditions and compared: the paper's experiment, on any bundle and any data."""

from monai_cwmi.experiment.catalogue import Contestant, load_contestants
from monai_cwmi.experiment.plan import Cell
from monai_cwmi.experiment.report import write_report
from monai_cwmi.experiment.runner import Comparison, compare_losses

__all__ = ["Cell", "Comparison", "Contestant", "compare_losses", "load_contestants", "write_report"]
