"""Losses in MONAI's conventions."""

from monai_cwmi.losses.adaptive_boundary import ABWLoss
from monai_cwmi.losses.border_weighted_ce import BorderWeightedCELoss
from monai_cwmi.losses.cwmi import CWMILoss
from monai_cwmi.losses.prepared import PreparedLoss
from monai_cwmi.losses.region_mutual_information import RMILoss
from monai_cwmi.losses.same_class_neighbour_penalty import SCNPLoss
from monai_cwmi.losses.skea_topo import SkeaTopoLoss
from monai_cwmi.losses.skeleton_recall import SkeletonRecallLoss
from monai_cwmi.losses.subband_distance import SubbandDistanceLoss

__all__ = [
    "ABWLoss",
    "BorderWeightedCELoss",
    "CWMILoss",
    "PreparedLoss",
    "RMILoss",
    "SCNPLoss",
    "SkeaTopoLoss",
    "SkeletonRecallLoss",
    "SubbandDistanceLoss",
]
