"""Pictures: those of segmentations, and inference on them."""

from monai_cwmi.pictures.inference import MirroredWindowInferer
from monai_cwmi.pictures.panels import draw_panels, save_panels
from monai_cwmi.pictures.transforms import SavePanelsd

__all__ = ["MirroredWindowInferer", "SavePanelsd", "draw_panels", "save_panels"]
