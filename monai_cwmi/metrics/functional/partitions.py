"""How alike two partitions into connected components are."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from monai_cwmi.metrics.functional.masks import Mask, label_components, score_images, select_region

VI_WITHOUT_TRUTH = 10.0
"""Variation of information in bits of an image whose target has no component, as in the CWMI paper."""


def variation_of_information(
    prediction: Tensor, target: Tensor, *, component_value: int = 1, connectivity: int = 1, mask: Tensor | None = None
) -> Tensor:
    r"""Variation of information between the connected components of target and prediction, in bits.

    .. math::
        VI = H(T | P) + H(P | T)

    The first part counts components that are merged, the second those that are split. Pixels outside the target's
    components do not count. Those outside the prediction's but inside the target's are one component more. An image
    whose target has no component has no such value; it scores 10 (:data:`VI_WITHOUT_TRUTH`), whatever the prediction.

    Args:
        prediction: Binary masks ``(B, 1, H, W)`` or ``(B, 1, H, W, D)``.
        target: The same shape.
        component_value: Components are those of the region with this value: 1 for objects, 0 for what a boundary of
            ones encloses.
        connectivity: Axes that a step to a neighbour may go along, from 1 (faces) to the number of axes.
        mask: The same shape, bool, false where the target is not labelled.

    Returns:
        ``(B,)``, 0 for equal partitions.

    Raises:
        TypeError: When ``mask`` is not bool.
        ValueError: When shapes do not fit, values are not binary, or an option is out of its range.

    Example:
        >>> import torch
        >>> wall = torch.tensor([[[[0, 0, 1, 0, 0]]]])  # between two cells
        >>> variation_of_information(torch.zeros_like(wall), wall, component_value=0)  # merged
        tensor([1.])

    References:
        M. Meila, "Comparing clusterings: an information based distance", Journal of Multivariate Analysis 98, 2007,
        https://doi.org/10.1016/j.jmva.2006.11.013.
    """
    score = partial(_variation_of_information, component_value=component_value, connectivity=connectivity)
    return score_images(score, prediction, target, mask)


def adjusted_rand_index(
    prediction: Tensor, target: Tensor, *, component_value: int = 1, connectivity: int = 1, mask: Tensor | None = None
) -> Tensor:
    """Rand index of the connected components of target and prediction, adjusted for chance.

    All labelled pixels count; those outside the components are one part of the partition.

    Args:
        prediction: Binary masks ``(B, 1, H, W)`` or ``(B, 1, H, W, D)``.
        target: The same shape.
        component_value: Components are those of the region with this value: 1 for objects, 0 for what a boundary of
            ones encloses.
        connectivity: Axes that a step to a neighbour may go along, from 1 (faces) to the number of axes.
        mask: The same shape, bool, false where the target is not labelled.

    Returns:
        ``(B,)``, 1 for equal partitions, about 0 for unrelated ones, no less than -0.5.

    Raises:
        TypeError: When ``mask`` is not bool.
        ValueError: When shapes do not fit, values are not binary, or an option is out of its range.

    Example:
        >>> import torch
        >>> wall = torch.tensor([[[[0, 0, 1, 0, 0]]]])  # between two cells
        >>> adjusted_rand_index(wall, wall, component_value=0)
        tensor([1.])
        >>> adjusted_rand_index(torch.zeros_like(wall), wall, component_value=0)  # merged
        tensor([0.])

    References:
        L. Hubert and P. Arabie, "Comparing partitions", Journal of Classification 2, 1985,
        https://doi.org/10.1007/BF01908075.
    """
    score = partial(_adjusted_rand_index, component_value=component_value, connectivity=connectivity)
    return score_images(score, prediction, target, mask)


def _variation_of_information(
    prediction: Mask, target: Mask, labelled: Mask, component_value: int, connectivity: int
) -> float:
    table = _contingency_table(prediction, target, labelled, component_value, connectivity)
    table = table[1:].tocoo()  # the target's components alone
    if table.nnz == 0:
        return VI_WITHOUT_TRUTH
    # sum_ij n_ij / n log2((n_i / n_ij) (n_j / n_ij)), where no term is negative.
    truth, predicted = table.sum(axis=1)[table.row], table.sum(axis=0)[table.col]
    bits = np.log2((truth / table.data) * (predicted / table.data))
    return float((table.data * bits).sum() / table.data.sum())


def _adjusted_rand_index(
    prediction: Mask, target: Mask, labelled: Mask, component_value: int, connectivity: int
) -> float:
    return rand_index(_contingency_table(prediction, target, labelled, component_value, connectivity))


def rand_index(table: sparse.csr_array) -> float:
    """The adjusted Rand index of two partitions by their contingency table, of up to 3e9 pixels."""
    pixels = int(table.sum())
    both, truth, predicted = (
        _sum_of_squares(sizes) for sizes in (table.data, table.sum(axis=1), table.sum(axis=0))
    )  # ordered pairs of pixels that are together, each pixel with itself among them
    true_positive = both - pixels
    false_negative, false_positive = truth - both, predicted - both
    true_negative = pixels**2 - truth - predicted + both
    if false_negative == false_positive == 0:
        return 1.0
    agreement = true_positive * true_negative - false_negative * false_positive
    by_truth = (true_positive + false_negative) * (false_negative + true_negative)
    by_prediction = (true_positive + false_positive) * (false_positive + true_negative)
    return 2 * agreement / (by_truth + by_prediction)


def _sum_of_squares(sizes: NDArray[np.int64]) -> int:
    # Products of such sums leave int64 behind; Python's integers do not.
    return int((sizes**2).sum())


def _contingency_table(
    prediction: Mask, target: Mask, labelled: Mask, component_value: int, connectivity: int
) -> sparse.csr_array:
    """How many labelled pixels are in component i of the target and j of the prediction; 0 is outside of all."""
    truth, predicted = (
        label_components(select_region(image, labelled, component_value), connectivity)[labelled]
        for image in (target, prediction)
    )
    shape = (truth.max(initial=0) + 1, predicted.max(initial=0) + 1)
    return sparse.coo_array((np.ones(truth.size, np.int64), (truth, predicted)), shape=shape).tocsr()
