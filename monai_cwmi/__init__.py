"""Complex Wavelet Mutual Information (CWMI) segmentation loss for MONAI."""

from monai_cwmi import functional
from monai_cwmi.bands.pyramid import SteerablePyramid
from monai_cwmi.losses import CWMILoss

__all__ = ["CWMILoss", "SteerablePyramid", "functional"]

__version__ = "0.2.0"
