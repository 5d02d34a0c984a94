"""What moments of bands say: a number for each level, image and class."""

from monai_cwmi.measures.base import BandMeasure, Measure, MomentMeasure
from monai_cwmi.measures.distances import L1Distance, L2Distance, SSIMDistance
from monai_cwmi.measures.explained_variance import ExplainedVariance
from monai_cwmi.measures.mutual_information import (
    AlignedInformation,
    ConditionalEntropy,
    InformationBound,
    MutualInformation,
)
from monai_cwmi.measures.residual_error import ResidualError

__all__ = [
    "AlignedInformation",
    "BandMeasure",
    "ConditionalEntropy",
    "ExplainedVariance",
    "InformationBound",
    "L1Distance",
    "L2Distance",
    "Measure",
    "MomentMeasure",
    "MutualInformation",
    "ResidualError",
    "SSIMDistance",
]
