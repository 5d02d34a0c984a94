"""Weight maps and skeletons of a label, computed once at loading; they need scipy and scikit-image."""

from monai_cwmi.maps.adaptive_boundary import AdaptiveBoundaryWeightsd
from monai_cwmi.maps.border import BorderWeightd
from monai_cwmi.maps.skeleton_weights import SkeletonWeightsd
from monai_cwmi.maps.tubed_skeleton import TubedSkeletond

__all__ = ["AdaptiveBoundaryWeightsd", "BorderWeightd", "SkeletonWeightsd", "TubedSkeletond"]
