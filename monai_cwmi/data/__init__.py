"""Where images come from: real labelled samples, public data sets as downloaded, and data-set folders.

And where the bundles come from that are trained on them.
"""

from monai_cwmi.data.bundles import get_bundle, list_bundles
from monai_cwmi.data.datalists import count_channels, load_class_names, load_datalist
from monai_cwmi.data.label_maps import LabelMapWriter
from monai_cwmi.data.labels import CheckLabeld
from monai_cwmi.data.layouts import DOWNLOADS, prepare_download
from monai_cwmi.data.listing import list_images
from monai_cwmi.data.pictures import PictureReader
from monai_cwmi.data.samples import SAMPLES, fetch_sample
from monai_cwmi.data.wheels import Wheel

__all__ = [
    "DOWNLOADS",
    "SAMPLES",
    "CheckLabeld",
    "LabelMapWriter",
    "PictureReader",
    "Wheel",
    "count_channels",
    "fetch_sample",
    "get_bundle",
    "list_bundles",
    "list_images",
    "load_class_names",
    "load_datalist",
    "prepare_download",
]
