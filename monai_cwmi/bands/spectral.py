"""Moments of the bands of prediction and target, from their two spectra: the one hot loop.

By Parseval's theorem a sum over the pixels of two bands is a sum over frequencies, weighted with the product of their
filters; no band is ever made. ``docs/explanation/mathematics.md``, section 'No subband image is needed', derives each
line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monai_cwmi.bands import sorted_spectra as spectra
from monai_cwmi.bands.batches import as_images, groups
from monai_cwmi.bands.gradients import once_differentiable
from monai_cwmi.bands.moments import ROUNDING, Moments, PyramidMoments
from monai_cwmi.bands.residuals import residual_matrices, with_means
from monai_cwmi.bands.spec import PyramidSpec, spec_of_numbers
from monai_cwmi.bands.table_cache import cached_tables
from monai_cwmi.bands.tables import Tables, index_bound, lowpass_shape


def spectral_moments(
    prediction: Tensor, target: Tensor, spec: PyramidSpec, slice_dim: int | None = None, *, residuals: bool = False
) -> PyramidMoments:
    """Moments of the bands of a prediction and a target at all levels that fit.

    Args:
        prediction: Real ``(B, C, H, W)`` or ``(B, C, H, W, D)``, float32 or float64; gradients flow to it.
        target: The same shape and dtype; a constant, no gradient flows to it.
        spec: A pyramid on the centred grid, of no more levels than fit, of as many axes as an image has.
        slice_dim: Spatial axis along which a volume is cut into ``S`` images of two axes.
        residuals: Whether to give those of the two residual bands too.

    Returns:
        The moments in float64, of images ``(B, C)``, or ``(B, C, S)`` of slices.
    """
    images = prediction.shape[:2] if slice_dim is None else (*prediction.shape[:2], prediction.shape[2 + slice_dim])
    pixels = prediction[0, 0].numel() // (1 if slice_dim is None else images[-1])
    matrices, c, independent, totals, means, *_ = _Moments.apply(
        prediction.flatten(0, 1), target.detach().flatten(0, 1), spec, slice_dim, residuals
    )
    rounding = ROUNDING[prediction.dtype]
    levels = Moments(
        matrices.unflatten(2, images), c.unflatten(1, images), independent[1:-1], rounding, spec.in_quadrature
    )
    if not residuals:
        return PyramidMoments(levels)
    totals, means = totals.unflatten(-1, images), means.unflatten(-1, images)
    coefficient = means[2].detach()
    matrices = residual_matrices(levels, totals, coefficient, spec)  # (3, 2, B, C[, S], 1, 1)
    residual = Moments(matrices, coefficient.expand(2, *images), independent[:: spec.num_levels + 1], rounding)
    return PyramidMoments(levels, with_means(residual, means[:2], pixels))


class _Moments(torch.autograd.Function):
    """Moments ``PP*, DD*, Re DP*, Im DP*`` of the levels, the coefficients ``c``, and what the residual bands need.

    There are no imaginary parts in the real pyramid, and none on their own where they are bands of their own.
    Autograd would keep every product of spectra; this keeps the two spectra and ends in one inverse transform.
    """

    @staticmethod
    def forward(
        prediction: Tensor, target: Tensor, spec: PyramidSpec, slice_dim: int | None, residuals: bool
    ) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = _covariances(prediction, target, spec.numbers, slice_dim, residuals)
        return outputs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        prediction, target, spec, slice_dim, residuals = inputs
        _, c, independent, _, means, p, d, low = output
        # The residual bands' gradient needs the images again; without them they are let go.
        pair = (prediction, target) if residuals else (prediction[:0], target[:0])
        ctx.save_for_backward(c, means, p, d, low, *pair)
        ctx.shape, ctx.options = prediction.shape[1:], (spec.numbers, slice_dim, residuals)
        ctx.mark_non_differentiable(c, independent, p, d, low)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        _, _, grad_totals, grad_means, *_ = others
        grads, saved = [grad, grad_totals, grad_means], list(ctx.saved_tensors)
        with torch.no_grad():
            gradient = _gradient(grads, saved, ctx.shape, *ctx.options)
        return once_differentiable(gradient, *grads, *saved), None, None, None, None


# Operators of their own: torch.compile would otherwise trace the making of the tables into every step.
@torch.library.custom_op("monai_cwmi::covariances", mutates_args=())
def _covariances(
    prediction: Tensor, target: Tensor, pyramid: Sequence[float], slice_dim: int | None, residuals: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Moments of ``M`` images ``(M, H, W)`` or ``(M, H, W, D)``, or of the ``M`` slices of volumes.

    Returns:
        The moments of the levels, float64 ``(4, N, M, F, F)``, or 3 without imaginary parts; ``c``, float64 ``(N, M)``;
        the numbers of independent coefficients, float64 ``(N + 2,)``. With ``residuals`` the sums ``PP, DD, DP`` over
        all pixels and over the low-pass band, without the means, float64 ``(2, 3, M)``, and the means of ``p`` and
        ``y`` and the coefficient of the image as a whole, float64 ``(3, M)``; else none, ``(0, 3, M)`` and ``(0, M)``.
        The spectra of ``p`` and ``d`` in the order of the tables, ``(2, M, at least Q)`` each, real and imaginary part
        apart, and both around the low-pass band, ``(2, 2, M, R or 0)``.
    """
    spec = spec_of_numbers(pyramid)
    prediction, target = as_images(prediction, slice_dim), as_images(target, slice_dim)
    tables = _tables(prediction, tuple(prediction.shape[2:]), spec)
    matrices, c, independent, totals, means, p_room, d_room, low = _outputs(prediction, spec, residuals)
    independent.copy_(tables.num_independent)
    sums = []
    for group in groups(prediction):
        of = group.images
        centred, remainder, group_means, power = spectra.regression(group.of(prediction), group.of(target))
        p = spectra.sorted_spectrum(centred, tables, p_room[:, of], low[0, :, of])  # (2, m, Q / L, L)
        d = spectra.sorted_spectrum(remainder, tables, d_room[:, of], low[1, :, of])
        more = spectra.level_coefficients(p, d, tables, spec.num_levels)  # (N, m)
        torch.add(group_means[2].double(), more.double(), out=c[:, of])
        sums.append(
            spectra.segment_sums(spectra.block_sums(p, d, more, tables, spec.is_complex), tables, spec.num_levels)
        )
        if residuals:
            means[:, of] = group_means
            totals[0, :, of] = spectra.pixel_sums(centred, remainder, power)
            totals[1, :, of] = spectra.lowpass_sums(low[:, :, of], tables)
    matrices.copy_(spectra.moment_matrices(sums[0] if len(sums) == 1 else torch.cat(sums, dim=2), tables, spec))
    return matrices, c, independent, totals, means, p_room, d_room, low


@_covariances.register_fake
def _(
    prediction: Tensor, target: Tensor, pyramid: Sequence[float], slice_dim: int | None, residuals: bool
) -> tuple[Tensor, ...]:
    return _outputs(as_images(prediction, slice_dim), spec_of_numbers(pyramid), residuals)


def _outputs(images: Tensor, spec: PyramidSpec, residuals: bool) -> tuple[Tensor, ...]:
    """The outputs of the operator, not yet filled, for images ``(V, S, H, W)``."""
    shape, num_images = tuple(images.shape[2:]), images.shape[0] * images.shape[1]
    double = images.new_empty(0, dtype=torch.float64)
    has_imaginary = spec.is_complex and not spec.in_quadrature
    low = math.prod(lowpass_shape(shape, spec)) if residuals else 0
    return (
        double.new_empty((4 if has_imaginary else 3, spec.num_levels, num_images, spec.num_bands, spec.num_bands)),
        double.new_empty((spec.num_levels, num_images)),
        double.new_empty(spec.num_levels + 2),
        double.new_empty((2 if residuals else 0, 3, num_images)),
        double.new_empty((3 if residuals else 0, num_images)),
        images.new_empty((2, num_images, index_bound(shape, spec))),
        images.new_empty((2, num_images, index_bound(shape, spec))),
        images.new_empty((2, 2, num_images, low)),
    )


@torch.library.custom_op("monai_cwmi::covariances_backward", mutates_args=())
def _gradient(
    grads: Sequence[Tensor],
    saved: Sequence[Tensor],
    shape: Sequence[int],
    pyramid: Sequence[float],
    slice_dim: int | None,
    residuals: bool,
) -> Tensor:
    """Gradient in the prediction, of that spatial shape.

    Args:
        grads: Gradients in the moments, the sums and the means of :func:`_covariances`.
        saved: ``c``, the means, the spectra of ``p`` and ``d``, both around the low-pass band, prediction and target.
        shape: Of the spatial axes.
        pyramid: The pyramid's numbers.
        slice_dim: Spatial axis along which volumes are cut.
        residuals: Whether residual bands take part.
    """
    spec = spec_of_numbers(pyramid)
    grad, grad_totals, grad_means = grads
    c, means, p, d, low, prediction, target = saved
    gradient = _empty_gradient(p, shape, slice_dim)
    images = as_images(gradient, slice_dim)
    spatial_shape = tuple(images.shape[2:])
    tables = _tables(p, spatial_shape, spec)
    p, d = (spectra.in_blocks(room, tables) for room in (p, d))  # (2, M, Q / L, L)
    harmonics = spectra.harmonic_factors(grad, c, tables, spec.is_complex)  # (N S, R, M, A)
    for group in groups(images):
        of = group.images
        spectrum = spectra.gradient_spectrum(harmonics[:, :, of], c[:, of], p[:, of], d[:, of], tables)
        half_space = spectra.unsorted(spectrum, tables, spatial_shape)
        if residuals:
            factors = spectra.pair_factors(grad_totals[:, :, of], means[2, of])  # (2, 2, m)
            spectra.add_lowpass(half_space, factors[1], low[:, :, of], tables)
        image = spectra.image_of(half_space, spatial_shape)
        if residuals:
            pair = group.of(as_images(prediction, slice_dim)), group.of(as_images(target, slice_dim))
            image = spectra.with_pixel_terms(image, factors[0], means[:, of], grad_means[0, of], pair)
        group.put(images, image)
    return gradient


@_gradient.register_fake
def _(
    grads: Sequence[Tensor],
    saved: Sequence[Tensor],
    shape: Sequence[int],
    pyramid: Sequence[float],
    slice_dim: int | None,
    residuals: bool,
) -> Tensor:
    return _empty_gradient(saved[2], shape, slice_dim)


def _empty_gradient(p: Tensor, shape: Sequence[int], slice_dim: int | None) -> Tensor:
    num_slices = 1 if slice_dim is None else shape[slice_dim]
    return p.new_empty((p.shape[1] // num_slices, *shape))


def _tables(like: Tensor, shape: tuple[int, ...], spec: PyramidSpec) -> Tables:
    # On a GPU a setting of the user's can take single-precision products to ten bits (TF32); double is safe from that.
    dtype = torch.float64 if like.is_cuda else like.dtype
    return cached_tables(shape, spec, dtype, like.device)
