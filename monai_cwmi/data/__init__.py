"""Where images come from: real labelled samples and data-set folders."""

from monai_cwmi.data.datalists import count_channels, load_class_names, load_datalist
from monai_cwmi.data.labels import CheckLabeld
from monai_cwmi.data.listing import list_images
from monai_cwmi.data.samples import SAMPLES, fetch_sample
from monai_cwmi.data.wheels import Wheel

__all__ = [
    "SAMPLES",
    "CheckLabeld",
    "Wheel",
    "count_channels",
    "fetch_sample",
    "list_images",
    "load_class_names",
    "load_datalist",
]
