"""Pictures of segmentations."""

from monai_cwmi.pictures.panels import draw_panels, save_panels
from monai_cwmi.pictures.transforms import SavePanelsd

__all__ = ["SavePanelsd", "draw_panels", "save_panels"]
