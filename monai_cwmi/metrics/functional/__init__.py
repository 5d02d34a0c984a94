"""How well the structure of a binary mask is kept: pure functions, one number for each image.

All take a prediction and a target ``(B, 1, H, W)`` or ``(B, 1, H, W, D)``, bool or of the values 0 and 1, on any
device, and give ``(B,)`` in float32 on the prediction's device. They are computed with NumPy on the CPU and have no
gradient.

``mask``, of the same shape, is false where the target is not labelled. Such pixels may hold anything. They are in no
component, in no table, point set or skeleton, and an image that has no other pixel scores NaN.
"""

from monai_cwmi.metrics.functional.distances import modified_hausdorff
from monai_cwmi.metrics.functional.partitions import adjusted_rand_index, variation_of_information
from monai_cwmi.metrics.functional.topology import betti_error, cl_dice

__all__ = ["adjusted_rand_index", "betti_error", "cl_dice", "modified_hausdorff", "variation_of_information"]
