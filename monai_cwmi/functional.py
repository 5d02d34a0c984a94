"""Measures of two images' bands: the public functions, and the one runner of all measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_cwmi.bands.independence import comparable_levels
from monai_cwmi.bands.moments import PyramidMoments
from monai_cwmi.bands.pyramid import scaled_bands
from monai_cwmi.bands.residuals import with_means
from monai_cwmi.bands.spec import BandOptions, FrequencyGrid, PyramidSpec, fitting_levels
from monai_cwmi.bands.spectral import spectral_moments
from monai_cwmi.bands.subbands import subband_moments
from monai_cwmi.bands.volumes import View, informative_slices, mean_over_slices, mean_over_views, views
from monai_cwmi.measures import BandMeasure, ConditionalEntropy, Measure, MomentMeasure, MutualInformation

MomentsFunction = Callable[..., PyramidMoments]


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
    options = BandOptions(num_levels, num_orientations, is_complex, frequency_grid, slice_dims, spacing)
    return measure_bands(prediction, target, [ConditionalEntropy(alpha)], options, mask=mask)[0]


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
    options = BandOptions(num_levels, num_orientations, is_complex, frequency_grid, slice_dims, spacing)
    return measure_bands(prediction, target, [MutualInformation(alpha)], options, mask=mask)[0]


def measure_bands(
    prediction: Tensor,
    target: Tensor,
    measures: Sequence[Measure],
    options: BandOptions,
    *,
    mask: Tensor | None = None,
    moments_of: MomentsFunction | None = None,
) -> list[Tensor]:
    """Compute the moments of two images' bands once, and any number of measures of them.

    Args:
        prediction: As in :func:`mutual_information`.
        target: As in :func:`mutual_information`.
        measures: What to compute.
        options: How images are split into bands.
        mask: As in :func:`mutual_information`. The mean that a residual band holds is that of the labelled pixels.
        moments_of: How to come by the moments; default: from spectra, or on the published grid from the bands.

    Returns:
        A tensor ``(N, B, C)`` for each measure, of residual bands ``(2, B, C)``: float64 for float64 predictions, else
        float32. Without any level that fits, ``(0, B, C)``.

    Raises:
        ValueError: As :func:`mutual_information`; when a measure of residual bands is asked for on the published grid.
        TypeError: As :func:`mutual_information`.

    Example:
        >>> from monai_cwmi.measures import ExplainedVariance, MutualInformation
        >>> target = torch.zeros(1, 1, 32, 32)
        >>> target[..., 8:24, 8:24] = 1
        >>> measures = ExplainedVariance(), MutualInformation()
        >>> [tuple(m.shape) for m in measure_bands(0.5 * target, target, measures, BandOptions(num_levels=3))]
        [(3, 1, 1), (3, 1, 1)]
    """
    if not prediction.is_floating_point():
        raise TypeError(f"prediction must be of floating point, got {prediction.dtype}.")
    if prediction.ndim not in (4, 5) or prediction.shape != target.shape:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"prediction and target must have one shape (B, C, H, W) or (B, C, H, W, D), got {shapes}.")
    looks = views(prediction.ndim - 2, options)
    if prediction.numel() == 0:
        raise ValueError(f"prediction is empty: its shape is {tuple(prediction.shape)}.")
    is_centred = options.frequency_grid == "centred"
    if not is_centred and _needs_residuals(measures):
        raise ValueError("residual bands are those of the centred grid: take frequency_grid='centred'.")
    moments_of = moments_of or (spectral_moments if is_centred else subband_moments)

    dtype = torch.float64 if prediction.dtype == torch.float64 else torch.float32
    prediction, target = prediction.to(dtype), target.to(dtype)
    with torch.autocast(prediction.device.type, enabled=False):  # which would take sums of squares to half precision
        seen = [
            _measure_view(measures, moments_of, prediction, target, mask, view, options.only_comparable)
            for view in looks
        ]
        return [_combine(measure, [parts[i] for parts in seen]).to(dtype) for i, measure in enumerate(measures)]


_Parts = list[Tensor]  # values and, of a ratio, weights, (N, B, C) each


def _measure_view(
    measures: Sequence[Measure],
    moments_of: MomentsFunction,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None,
    view: View,
    only_comparable: bool,
) -> list[_Parts]:
    """The parts of each measure in one view, whose levels are those that fit, or of these the comparable ones."""
    slice_dim, spec = view
    axes = view.compared_axes
    shape = tuple(prediction.shape[axis] for axis in axes)
    spec = spec._replace(num_levels=fitting_levels(shape, spec.num_levels, spec.spacing))
    if only_comparable and spec.num_levels:
        spec = spec._replace(num_levels=comparable_levels(shape, spec))
    if spec.num_levels == 0:
        none = prediction.flatten(2)[..., :0].movedim(-1, 0)  # (0, B, C), still a function of the prediction
        return [[none] for _ in measures]
    informative = None if slice_dim is None else informative_slices(target, view)
    inside = None if mask is None else _checked(mask, prediction)
    result: dict[Measure, _Parts] = {}
    if moment_measures := [measure for measure in measures if isinstance(measure, MomentMeasure)]:
        residuals = _needs_residuals(measures)
        moments = _moments(moments_of, prediction, target, inside, axes, spec, slice_dim, residuals)
        for measure in moment_measures:
            own = moments.residuals if measure.of_residuals and moments.residuals is not None else moments.levels
            weights = measure.weights(own)
            result[measure] = [measure.values(own)] if weights is None else [measure.values(own), weights]
    if band_measures := [measure for measure in measures if isinstance(measure, BandMeasure)]:
        pair = [image if inside is None else torch.where(inside, image, 0.0) for image in (prediction, target)]
        if slice_dim is not None:  # slices (B, C, S, H, W): the axes that are decomposed are the last ones
            pair = [volume.movedim(2 + slice_dim, 2) for volume in pair]
        bands = list(zip(*(scaled_bands(image, spec) for image in pair), strict=True))
        for distance in band_measures:
            result[distance] = [torch.stack([distance.values(p, y, spec.spatial_dims) for p, y in bands])]
    if informative is not None:
        for each, parts in result.items():
            counted = torch.ones_like(informative) if each.every_slice else informative
            result[each] = [mean_over_slices(part, counted) for part in parts]
    return [result[measure] for measure in measures]


def _moments(
    moments_of: MomentsFunction,
    prediction: Tensor,
    target: Tensor,
    inside: Tensor | None,
    axes: tuple[int, ...],
    spec: PyramidSpec,
    slice_dim: int | None,
    residuals: bool,
) -> PyramidMoments:
    """Moments of images, or of the part of them that lies inside a mask."""
    if inside is None:
        return moments_of(prediction, target, spec, slice_dim, residuals=residuals)
    count = inside.sum(axes, keepdim=True).clamp_min(1)
    (prediction, p_mean), (target, y_mean) = (_centred_within(i, inside, count, axes) for i in (prediction, target))
    moments = moments_of(prediction, target, spec, slice_dim, residuals=residuals)
    if moments.residuals is None:
        return moments
    means = torch.stack((p_mean.squeeze(axes), y_mean.squeeze(axes))).double()  # (2, B, C[, S])
    return moments._replace(residuals=with_means(moments.residuals, means, count.squeeze(axes)))


def _needs_residuals(measures: Sequence[Measure]) -> bool:
    return any(isinstance(measure, MomentMeasure) and measure.of_residuals for measure in measures)


def _combine(measure: Measure, seen: Sequence[_Parts]) -> Tensor:
    """One measure, ``(N, B, C)``, from its parts in each view."""
    parts = [mean_over_views(part) for part in zip(*seen, strict=False)]
    return measure.ratio(*parts) if isinstance(measure, MomentMeasure) and len(parts) == 2 else parts[0]


def _checked(mask: Tensor, image: Tensor) -> Tensor:
    per_image, per_channel = (image.shape[0], 1, *image.shape[2:]), tuple(image.shape)
    if mask.shape not in (per_image, per_channel):
        raise ValueError(f"mask must have the shape {per_image} or {per_channel} here, got {tuple(mask.shape)}.")
    return mask.bool()


def _centred_within(image: Tensor, inside: Tensor, count: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The image less its mean within a mask, 0 outside, and the mean: a constant stays constant, however shaped."""
    image = torch.where(inside, image, 0.0)
    mean = image.sum(axes, keepdim=True) / count
    return torch.where(inside, image - mean, 0.0), mean
