"""What the loss sees: bands of target and prediction, what is kept at each scale, where each term pulls."""

from monai_cwmi.explanation.bands import Bands, compute_bands
from monai_cwmi.explanation.cases import Case, read_case
from monai_cwmi.explanation.explain import Explanation, bands_figure, explain, pulls_figure
from monai_cwmi.explanation.figures import draw_bands, draw_information, draw_kept, draw_pulls
from monai_cwmi.explanation.gradients import Pulls, compute_pulls
from monai_cwmi.explanation.handler import InformationReport
from monai_cwmi.explanation.planes import PlaneView, choose_view

__all__ = [
    "Bands",
    "Case",
    "Explanation",
    "InformationReport",
    "PlaneView",
    "Pulls",
    "bands_figure",
    "choose_view",
    "compute_bands",
    "compute_pulls",
    "draw_bands",
    "draw_information",
    "draw_kept",
    "draw_pulls",
    "explain",
    "pulls_figure",
    "read_case",
]
