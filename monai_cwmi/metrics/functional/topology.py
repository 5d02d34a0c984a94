"""Whether two masks hang together in the same way."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from skimage.measure import euler_number
from torch import Tensor

from monai_cwmi.maps.skeleton import skeleton
from monai_cwmi.metrics.functional.masks import Mask, label_components, score_images, select_region


def betti_error(
    prediction: Tensor,
    target: Tensor,
    *,
    dimension: int | None = None,
    component_value: int = 1,
    connectivity: int = 1,
    mask: Tensor | None = None,
) -> Tensor:
    r"""How far the first two Betti numbers of the prediction are from the target's.

    .. math::
        \sum_{k = 0}^1 |b_k(P) - b_k(T)|

    :math:`b_0` counts components. :math:`b_1` counts holes in the plane, and in space tunnels and handles. It follows
    from the Euler characteristic: :math:`b_1 = b_0 - \chi` in the plane, and :math:`b_1 = b_0 + b_2 - \chi` in space
    with the closed cavities :math:`b_2`. What lies outside the image, and what is not labelled, is no part of the
    region: a hole open to the border of the image is none, a hole in labels may be one.

    Args:
        prediction: Binary masks ``(B, 1, H, W)`` or ``(B, 1, H, W, D)``.
        target: The same shape.
        dimension: 0 for the error of :math:`b_0` alone, 1 for that of :math:`b_1`. Default: the sum of both.
        component_value: The Betti numbers are those of the region with this value.
        connectivity: 1 where the region's pixels touch through faces, and the number of axes where corners suffice.
            What is not the region is taken with the other of the two, as topology needs it; so 2 has no meaning in
            space.
        mask: The same shape, bool, false where the target is not labelled.

    Returns:
        ``(B,)``, whole numbers.

    Raises:
        TypeError: When ``mask`` is not bool.
        ValueError: When shapes do not fit, values are not binary, or an option is out of its range.

    Example:
        >>> import torch
        >>> ring = torch.tensor([[[[1, 1, 1], [1, 0, 1], [1, 1, 1]]]])
        >>> betti_error(torch.ones_like(ring), ring)
        tensor([1.])
        >>> betti_error(torch.ones_like(ring), ring, dimension=0)
        tensor([0.])

    References:
        The error is used, for example, in X. Hu et al., "Topology-preserving deep image segmentation", NeurIPS 2019,
        https://arxiv.org/abs/1906.05404, there for patches.
    """
    if dimension not in (None, 0, 1):
        raise ValueError(f"dimension must be 0, 1 or None, got {dimension}.")
    dimensions = slice(None) if dimension is None else slice(dimension, dimension + 1)
    score = partial(_betti_error, dimensions, component_value=component_value, connectivity=connectivity)
    return score_images(score, prediction, target, mask)


def cl_dice(prediction: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    r"""Centreline Dice: how much of each mask's skeleton lies in the other mask.

    .. math::
        \frac{2\, T_p\, T_s}{T_p + T_s}, \quad
        T_p = \frac{|S_P \cap T|}{|S_P|}, \quad T_s = \frac{|S_T \cap P|}{|S_T|}

    with the skeletons :math:`S_P` and :math:`S_T`: those of Zhang and Suen in the plane, of Lee in space, as
    scikit-image computes them. The latter loses objects of an even number of voxels across, or shortens them
    (scikit-image's issue 3757); of an object that is lost, one voxel counts as its skeleton
    (:func:`monai_cwmi.maps.skeleton.skeleton`).

    Args:
        prediction: Binary masks ``(B, 1, H, W)`` or ``(B, 1, H, W, D)``.
        target: The same shape.
        mask: The same shape, bool, false where the target is not labelled. Objects are cut off there before they are
            thinned.

    Returns:
        ``(B,)``, from 0 to 1; 1 where both masks are empty, 0 where one is.

    Raises:
        TypeError: When ``mask`` is not bool.
        ValueError: When shapes do not fit or values are not binary.

    Example:
        >>> import torch
        >>> line, broken = torch.tensor([[[[1, 1, 1, 1]]]]), torch.tensor([[[[1, 1, 0, 1]]]])
        >>> cl_dice(broken, line)  # precision 1, sensitivity 3/4
        tensor([0.8571])

    References:
        S. Shit et al., "clDice: a novel topology-preserving loss function for tubular structure segmentation",
        CVPR 2021, https://arxiv.org/abs/2003.07311: the measure itself, not its soft form.
    """
    return score_images(_cl_dice, prediction, target, mask)


def _betti_error(
    dimensions: slice, prediction: Mask, target: Mask, labelled: Mask, component_value: int, connectivity: int
) -> float:
    predicted, truth = (
        _betti_numbers(select_region(image, labelled, component_value), connectivity) for image in (prediction, target)
    )
    return float(np.abs(predicted - truth)[dimensions].sum())


def _betti_numbers(region: Mask, connectivity: int) -> NDArray[np.int64]:
    if connectivity not in (1, region.ndim):
        raise ValueError(f"Betti numbers need connectivity 1 or {region.ndim} with {region.ndim} axes: {connectivity}.")
    components = label_components(region, connectivity).max()
    cavities = 0
    if region.ndim == 3:
        # Around the padded region the outside is one component, which is not a cavity.
        dual = 1 if connectivity == 3 else 3
        cavities = label_components(np.pad(~region, 1, constant_values=True), dual).max() - 1
    return np.array([components, components + cavities - euler_number(region, connectivity)], np.int64)


def _cl_dice(prediction: Mask, target: Mask, _labelled: Mask) -> float:
    if not (prediction.any() and target.any()):
        return float(prediction.any() == target.any())
    precision, sensitivity = target[skeleton(prediction)].mean(), prediction[skeleton(target)].mean()
    total = precision + sensitivity
    return float(2 * precision * sensitivity / total) if total else 0.0
