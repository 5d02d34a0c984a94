"""Pictures of segmentations."""

from monai_cwmi.pictures.panels import save_panels
from monai_cwmi.pictures.transforms import SavePanelsd

__all__ = ["SavePanelsd", "save_panels"]
