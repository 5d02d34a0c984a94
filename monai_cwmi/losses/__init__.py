"""Losses in MONAI's conventions."""

from monai_cwmi.losses.cwmi import CWMILoss

__all__ = ["CWMILoss"]
