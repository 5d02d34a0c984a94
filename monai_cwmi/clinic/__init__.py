"""From a clinic's scans and labels to a data set to train on."""

from monai_cwmi.clinic.checks import check_datalist
from monai_cwmi.clinic.dataset import Summary, prepare_dataset
from monai_cwmi.clinic.problems import Problem

__all__ = ["Problem", "Summary", "check_datalist", "prepare_dataset"]
