"""Conditional entropy and mutual information of two images' bands: the functions that :class:`CWMILoss` is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_cwmi.bands.filters import FrequencyGrid, PyramidSpec, fitting_levels
from monai_cwmi.bands.spectral import spectral_covariances
from monai_cwmi.bands.subbands import subband_covariances
from monai_cwmi.bands.tables import in_quadrature
from monai_cwmi.bands.volumes import View, mean_over_slices, mean_over_views, views
from monai_cwmi.measures.mutual_information import BandCovariances, conditional_entropy_terms, mutual_information_terms

# Bound of a covariance matrix's rounding errors relative to its trace, some ten times the largest ones measured. In
# float64 those of the small matrices' algebra count.
ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-11}


def conditional_entropy(
    prediction: Tensor,
    target: Tensor,
    *,
    num_levels: int = 4,
    num_orientations: int | None = None,
    is_complex: bool = True,
    frequency_grid: FrequencyGrid = "centred",
    alpha: float = 5e-4,
    mask: Tensor | None = None,
    slice_dims: Sequence[int] | None = (-1,),
    spacing: Sequence[float] | None = None,
) -> Tensor:
    r"""Entropy of a target's bands that the prediction's bands leave open, the term that the CWMI paper minimises.

    .. math::
        h_n = \log\det\left(G_{YY} - G_{YP} (G_{PP} + \alpha I)^{-1} G_{YP}^H\right)

    with :math:`G` the covariances, as sums over pixels, of the ``K`` bands at level ``n`` of a steerable pyramid. It is
    the entropy of a Gaussian up to a constant, and drifts with image size and contrast; see :func:`mutual_information`
    for the number to read.

    Args:
        prediction: Predicted probabilities ``(B, C, H, W)`` or ``(B, C, H, W, D)``, floating point of any precision;
            half precision is computed in float32.
        target: Target of the same shape, any dtype, values in [0, 1]. No gradient flows to it.
        num_levels: ``N``. Images (or slices) with no more than ``2**n`` pixels along their shorter side, in the finest
            spacing, have no level ``n``; the levels that fit are used.
        num_orientations: ``K``, at least 2 (default: 4); for volumes as a whole 3 or 6 (default).
        is_complex: Complex pyramid (CWMI) or real one (CWMI-Real).
        frequency_grid: ``"centred"``, or ``"published"`` for the frequency grid of the paper's released code, which is
            one bin off; it knows plane images with square pixels only.
        alpha: Ridge of the regression of target on prediction, in units of a sum over pixels.
        mask: Optional ``(B, 1, H, W)`` or ``(B, C, H, W)``, of volumes ``(B, 1 or C, H, W, D)``; where it is 0, both
            images are left out: neither values nor gradients there count.
        slice_dims: Spatial axes of a volume. It is compared slice by slice along each, as plane images, and the mean
            is taken over the slices in which the target is not constant, then over the axes: ``(-1,)`` for axial slices
            of volumes in RAS orientation, ``(0, 1, 2)`` for all three. ``None`` compares the volume as a whole, with
            bands in space. Plane images take no notice of it.
        spacing: Size of a pixel or voxel along each spatial axis, in any unit of length. A level then means the same
            size along all of them. Their ratios count, not their unit.

    Returns:
        Tensor ``(N, B, C)`` in natural logarithm, float64 for float64 predictions, else float32. ``N`` is the number of
        levels that fit.

    Raises:
        ValueError: When shapes differ or are not those of images or volumes, an image is empty, or an option is out of
            its range.
        TypeError: When the prediction is not of floating point.

    Example:
        >>> target = torch.zeros(1, 1, 32, 32)
        >>> target[..., 8:24, 8:24] = 1
        >>> conditional_entropy(0.5 + 0.3 * target, target).shape
        torch.Size([4, 1, 1])

    References:
        R. Lu, "Complex Wavelet Mutual Information Loss: A Multi-Scale Loss Function for Semantic Segmentation",
        ICML 2025, https://arxiv.org/abs/2502.00563.
    """
    return level_terms(
        conditional_entropy_terms,
        spectral_covariances if frequency_grid == "centred" else subband_covariances,
        prediction,
        target,
        num_levels=num_levels,
        num_orientations=num_orientations,
        is_complex=is_complex,
        frequency_grid=frequency_grid,
        alpha=alpha,
        mask=mask,
        slice_dims=slice_dims,
        spacing=spacing,
    )


def mutual_information(
    prediction: Tensor,
    target: Tensor,
    *,
    num_levels: int = 4,
    num_orientations: int | None = None,
    is_complex: bool = True,
    frequency_grid: FrequencyGrid = "centred",
    alpha: float = 5e-4,
    mask: Tensor | None = None,
    slice_dims: Sequence[int] | None = (-1,),
    spacing: Sequence[float] | None = None,
) -> Tensor:
    r"""Information that a prediction's bands hold about the target's, level by level.

    .. math::
        I_n = \log\det G_{YY} - h_n \ge 0

    with :math:`h_n` of :func:`conditional_entropy`, whose negative gradient it has. It is 0 when the prediction says
    nothing about the target and where the target is constant (an absent class). It does not tell a prediction ``p``
    from ``1 - p``: cross-entropy decides which side is foreground. It has a first derivative only, and takes the
    prediction's own :math:`I` as its upper bound. What float32 cannot tell is in ``docs/benchmarks/reliability.md``.

    Args:
        prediction: As in :func:`conditional_entropy`.
        target: As in :func:`conditional_entropy`.
        num_levels: As in :func:`conditional_entropy`.
        num_orientations: As in :func:`conditional_entropy`.
        is_complex: As in :func:`conditional_entropy`.
        frequency_grid: As in :func:`conditional_entropy`.
        alpha: As in :func:`conditional_entropy`.
        mask: As in :func:`conditional_entropy`.
        slice_dims: As in :func:`conditional_entropy`.
        spacing: As in :func:`conditional_entropy`.

    Returns:
        Tensor ``(N, B, C)`` in natural logarithm (nats), like :func:`conditional_entropy`'s.

    Raises:
        ValueError: As in :func:`conditional_entropy`.
        TypeError: As in :func:`conditional_entropy`.

    Example:
        >>> target = torch.zeros(1, 1, 32, 32)
        >>> target[..., 8:24, 8:24] = 1
        >>> good, none = mutual_information(0.5 + 0.3 * target, target), mutual_information(0 * target, target)
        >>> bool((good > 10).all()), bool((none.abs() < 1e-6).all())
        (True, True)
        >>> volume = target[..., None].expand(1, 1, 32, 32, 5)
        >>> mutual_information(0.5 + 0.3 * volume, volume, spacing=(0.8, 0.8, 3.0)).shape
        torch.Size([4, 1, 1])
    """
    return level_terms(
        mutual_information_terms,
        spectral_covariances if frequency_grid == "centred" else subband_covariances,
        prediction,
        target,
        num_levels=num_levels,
        num_orientations=num_orientations,
        is_complex=is_complex,
        frequency_grid=frequency_grid,
        alpha=alpha,
        mask=mask,
        slice_dims=slice_dims,
        spacing=spacing,
    )


def check_alpha(alpha: float) -> None:
    """Raise a ``ValueError`` unless the ridge of the regression is positive and finite."""
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha must be positive and finite, got {alpha}.")


def level_terms(
    terms: Callable[[BandCovariances, float, float], Tensor],
    covariances: Callable[[Tensor, Tensor, PyramidSpec, int | None], BandCovariances],
    prediction: Tensor,
    target: Tensor,
    *,
    alpha: float,
    mask: Tensor | None,
    slice_dims: Sequence[int] | None,
    spacing: Sequence[float] | None,
    **pyramid: Any,
) -> Tensor:
    """Check and prepare the images and apply a function of their bands' covariances, ``(N, B, C)``.

    Args:
        terms: Function of covariances, ``alpha`` and the bound of rounding errors.
        covariances: How to come by them.
        prediction: As in :func:`conditional_entropy`, and so all that follows.
        target: Target.
        alpha: Ridge.
        mask: Mask.
        slice_dims: Axes that volumes are cut along.
        spacing: Size of a voxel.
        pyramid: The pyramid's own options.
    """
    check_alpha(alpha)
    if not prediction.is_floating_point():
        raise TypeError(f"prediction must be of floating point, got {prediction.dtype}.")
    if prediction.ndim not in (4, 5) or prediction.shape != target.shape:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"prediction and target must have one shape (B, C, H, W) or (B, C, H, W, D), got {shapes}.")
    looks = views(prediction.ndim - 2, slice_dims, spacing, **pyramid)
    if prediction.numel() == 0:
        raise ValueError(f"prediction is empty: its shape is {tuple(prediction.shape)}.")

    dtype = torch.float64 if prediction.dtype == torch.float64 else torch.float32
    prediction, target = prediction.to(dtype), target.to(dtype)
    with torch.autocast(prediction.device.type, enabled=False):  # which would take sums of squares to half precision
        return mean_over_views([_terms_of(terms, covariances, prediction, target, mask, v, alpha) for v in looks])


def _terms_of(
    terms: Callable[[BandCovariances, float, float], Tensor],
    covariances: Callable[[Tensor, Tensor, PyramidSpec, int | None], BandCovariances],
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None,
    view: View,
    alpha: float,
) -> Tensor:
    """The terms ``(N, B, C)`` of one view, whose levels are those that fit."""
    slice_dim, spec = view
    if mask is not None:
        prediction, target = (_centred_within(image, mask, view.compared_axes) for image in (prediction, target))
    sizes = [prediction.shape[axis] for axis in view.compared_axes]
    spec = spec._replace(num_levels=fitting_levels(sizes, spec.num_levels, spec.spacing))
    if spec.num_levels == 0:
        return prediction.flatten(2)[..., :0].movedim(-1, 0)  # (0, B, C), still a function of the prediction
    values = terms(covariances(prediction, target, spec, slice_dim), alpha, ROUNDING[prediction.dtype])
    if in_quadrature(spec):
        values = values / 2  # a complex matrix's determinant is the root of the one of real and imaginary parts
    if slice_dim is not None:
        values = mean_over_slices(values, target, view)
    return values.to(prediction.dtype)


def _centred_within(image: Tensor, mask: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The image less its mean within the mask, 0 outside: a constant stays constant, whatever the mask's shape."""
    per_image, per_channel = (image.shape[0], 1, *image.shape[2:]), tuple(image.shape)
    if mask.shape not in (per_image, per_channel):
        raise ValueError(f"mask must have the shape {per_image} or {per_channel} here, got {tuple(mask.shape)}.")
    inside = mask.bool()
    count = inside.sum(axes, keepdim=True).clamp_min(1)
    image = torch.where(inside, image, 0.0)
    return torch.where(inside, image - image.sum(axes, keepdim=True) / count, 0.0)
