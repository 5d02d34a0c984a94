"""What the loss sees: bands of target and prediction, explained variance, the gradient of each term."""

from monai_cwmi.explanation.bands import Bands, compute_bands
from monai_cwmi.explanation.cases import ExplainedCase, read_case
from monai_cwmi.explanation.explain import Explanation, bands_figure, explain, gradients_figure
from monai_cwmi.explanation.figures import draw_bands, draw_explained_variance, draw_gradients, draw_information
from monai_cwmi.explanation.gradients import TermGradient, compute_gradients
from monai_cwmi.explanation.handler import InformationReport
from monai_cwmi.explanation.planes import PlaneView, choose_view

__all__ = [
    "Bands",
    "ExplainedCase",
    "Explanation",
    "InformationReport",
    "PlaneView",
    "TermGradient",
    "bands_figure",
    "choose_view",
    "compute_bands",
    "compute_gradients",
    "draw_bands",
    "draw_explained_variance",
    "draw_gradients",
    "draw_information",
    "explain",
    "gradients_figure",
    "read_case",
]
