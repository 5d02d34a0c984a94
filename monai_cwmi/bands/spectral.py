"""Covariances of the bands of prediction and target, from their two spectra: the one hot loop.

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

from monai_cwmi.bands.batches import as_images, groups
from monai_cwmi.bands.filters import PyramidSpec
from monai_cwmi.bands.tables import Tables, cached_tables, in_quadrature, num_bands, place_bound
from monai_cwmi.measures.mutual_information import BandCovariances, refuse_second_derivative

# Any regression coefficient is right and only rounding depends on it; without contrast, 0 is as good as any.
_NO_CONTRAST = 1e-6


def spectral_covariances(
    prediction: Tensor, target: Tensor, spec: PyramidSpec, slice_dim: int | None = None
) -> BandCovariances:
    """Covariances of the bands of a prediction and a target at all levels that fit.

    Args:
        prediction: Real ``(B, C, H, W)`` or ``(B, C, H, W, D)``, float32 or float64; gradients flow to it.
        target: The same shape and dtype; a constant, no gradient flows to it.
        spec: A pyramid on the centred grid, of no more levels than fit, of as many axes as an image has.
        slice_dim: Spatial axis along which a volume is cut into ``S`` images of two axes.

    Returns:
        The covariances in float64, of images ``(B, C)``, or ``(B, C, S)`` of slices.
    """
    matrices, c = _Covariances.apply(prediction.flatten(0, 1), target.detach().flatten(0, 1), spec, slice_dim)
    images = prediction.shape[:2] if slice_dim is None else (*prediction.shape[:2], prediction.shape[2 + slice_dim])
    return BandCovariances(matrices.unflatten(2, images), c.unflatten(1, images))


class _Covariances(torch.autograd.Function):
    """Covariances ``PP*, DD*, Re DP*, Im DP*`` and the coefficients ``c``.

    There are no imaginary parts in the real pyramid, and none on their own where they are bands of their own.
    Autograd would keep every product of spectra; this keeps the two spectra and ends in one inverse transform.
    """

    @staticmethod
    def forward(
        ctx: Any, prediction: Tensor, target: Tensor, spec: PyramidSpec, slice_dim: int | None
    ) -> tuple[Tensor, Tensor]:
        options = spec.num_levels, spec.num_orientations, spec.is_complex, spec.spacing, slice_dim
        matrices, c, p, d = _covariances(prediction, target, *options)
        ctx.save_for_backward(c, p, d)
        ctx.shape, ctx.options = prediction.shape[1:], options
        ctx.mark_non_differentiable(c)
        return matrices, c

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        return _gradient(grad, *ctx.saved_tensors, ctx.shape, *ctx.options), None, None, None


# Operators of their own: torch.compile would otherwise trace the making of the tables into every step.
@torch.library.custom_op("monai_cwmi::covariances", mutates_args=())
def _covariances(
    prediction: Tensor,
    target: Tensor,
    num_levels: int,
    num_orientations: int,
    is_complex: bool,
    spacing: Sequence[float],
    slice_dim: int | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Covariances of ``M`` images ``(M, H, W)`` or ``(M, H, W, D)``, or of the ``M`` slices of volumes.

    Returns:
        The covariances, float64 ``(4, N, M, F, F)``, or 3 without imaginary parts; ``c``, float64 ``(N, M)``; and the
        spectra of ``p`` and ``d`` in the order of the tables, ``(2, M, at least Q)``, real and imaginary part apart.
    """
    spec = PyramidSpec(num_levels, num_orientations, is_complex, "centred", tuple(spacing))
    prediction, target = as_images(prediction, slice_dim), as_images(target, slice_dim)
    shape = tuple(prediction.shape[2:])
    tables = _tables(prediction, shape, spec)
    room = 2, prediction.shape[:2].numel(), place_bound(shape, spec)
    p_room, d_room = prediction.new_empty(room), prediction.new_empty(room)
    coefficients, sums = [], []
    for group in groups(prediction):
        centred, residual, c = _regression(group.of(prediction), group.of(target))
        p = _sorted_spectrum(centred, tables, p_room[:, group.images])  # (2, m, Q / L, L)
        d = _sorted_spectrum(residual, tables, d_room[:, group.images])
        more = _level_coefficients(p, d, tables, num_levels)  # (N, m)
        coefficients.append(c.double() + more.double())
        sums.append(_segment_sums(_block_sums(p, d, more, tables, is_complex), tables, num_levels))
    matrices = _matrices(torch.cat(sums, dim=2), tables, spec)
    return matrices, torch.cat(coefficients, dim=-1), p_room, d_room


@_covariances.register_fake
def _(
    prediction: Tensor,
    target: Tensor,
    num_levels: int,
    num_orientations: int,
    is_complex: bool,
    spacing: Sequence[float],
    slice_dim: int | None,
) -> tuple[Tensor, ...]:
    spec = PyramidSpec(num_levels, num_orientations, is_complex, "centred", tuple(spacing))
    images = as_images(prediction, slice_dim)
    num_images = images.shape[0] * images.shape[1]
    double = prediction.new_empty((num_levels, num_images), dtype=torch.float64)
    p, d = (prediction.new_empty((2, num_images, place_bound(tuple(images.shape[2:]), spec))) for _ in range(2))
    has_imaginary = is_complex and not in_quadrature(spec)
    matrices = double.new_empty((4 if has_imaginary else 3, *double.shape, num_bands(spec), num_bands(spec)))
    return matrices, double, p, d


@torch.library.custom_op("monai_cwmi::covariances_backward", mutates_args=())
def _gradient(
    grad: Tensor,
    c: Tensor,
    p: Tensor,
    d: Tensor,
    shape: Sequence[int],
    num_levels: int,
    num_orientations: int,
    is_complex: bool,
    spacing: Sequence[float],
    slice_dim: int | None,
) -> Tensor:
    """Gradient in the prediction, of that spatial shape, from the one in the covariances ``(4 or 3, N, M, F, F)``."""
    spec = PyramidSpec(num_levels, num_orientations, is_complex, "centred", tuple(spacing))
    gradient = _empty_gradient(p, shape, slice_dim)
    images = as_images(gradient, slice_dim)
    tables = _tables(p, tuple(images.shape[2:]), spec)
    p, d = (_in_blocks(room, tables) for room in (p, d))  # (2, M, Q / L, L)

    # With D = Y - c P the gradient is u P + v D, with Im u = c w and Im v = w. A half for the two columns that an inner
    # one stands for.
    pp, dd, dp_real, *dp_imag = 0.5 * grad.flatten(-2)  # (N, M, F F) each
    weights = torch.stack((2 * pp - c[..., None] * dp_real, dp_real - 2 * c[..., None] * dd)) @ tables.even.mT
    if is_complex:
        (dp_imag,) = dp_imag or [dp_real]
        weights = torch.cat((weights, -dp_imag[None] @ tables.odd.mT))  # (R, N, M, S A), R = 3 or 2
    harmonics = weights.unflatten(-1, (-1, tables.weights.shape[1])).permute(1, 3, 0, 2, 4)  # (N, S, R, M, A)
    harmonics = harmonics.flatten(0, 1).to(tables.weights.dtype)  # (N S, R, M, A)

    for group in groups(images):
        of = group.images
        spectrum = _gradient_spectrum(harmonics[:, :, of], c[:, of], p[:, of], d[:, of], tables)
        group.put(images, _image(spectrum, tables, tuple(images.shape[2:])))
    return gradient


@_gradient.register_fake
def _(grad: Tensor, c: Tensor, p: Tensor, d: Tensor, shape: Sequence[int], *options: Any) -> Tensor:
    return _empty_gradient(p, shape, options[-1])


def _empty_gradient(p: Tensor, shape: Sequence[int], slice_dim: int | None) -> Tensor:
    num_slices = 1 if slice_dim is None else shape[slice_dim]
    return p.new_empty((p.shape[1] // num_slices, *shape))


def _tables(like: Tensor, shape: tuple[int, ...], spec: PyramidSpec) -> Tables:
    # On a GPU a setting of the user's can take single-precision products to ten bits (TF32); double is safe from that.
    dtype = torch.float64 if like.is_cuda else like.dtype
    return cached_tables(shape, spec, dtype, like.device)


def _in_blocks(spectrum: Tensor, tables: Tables) -> Tensor:
    return spectrum[..., : len(tables.places)].unflatten(-1, tables.weights.shape[::2])


def _sorted_spectrum(image: Tensor, tables: Tables, room: Tensor) -> Tensor:
    """Spectrum of images ``(M, H, W)`` in the order of the tables, ``(2, M, Q / L, L)``, kept in ``room``."""
    spectrum = torch.fft.rfftn(image, dim=_spatial(image), norm="ortho").flatten(1)
    spectrum[:, 0] = 0  # what fills up the blocks counts nothing
    places = tables.places.expand(len(image), -1)
    for part, out in zip(torch.view_as_real(spectrum).unbind(-1), room, strict=True):
        torch.gather(part, 1, places, out=out[:, : len(tables.places)])
    return _in_blocks(room, tables)


def _level_coefficients(p: Tensor, d: Tensor, tables: Tables, num_levels: int) -> Tensor:
    """Regression coefficient of the residual on the prediction at each level, ``(N, M)``.

    What is right for the image as a whole need not be so at each level.
    """
    power, product = ((a[0] * p[0]).addcmul_(a[1], p[1]).sum(-1).mT for a in (p, d))  # (Q / L, m) each
    levels = (tables.level == torch.arange(num_levels, device=p.device)[:, None]).to(p.dtype)  # (N, Q / L)
    return levels @ product / (levels @ power + _NO_CONTRAST)


def _block_sums(p: Tensor, d: Tensor, more: Tensor, tables: Tables, is_complex: bool) -> Tensor:
    """Sums over each block of ``PP*, DD*, Re DP*, Im DP*`` times the harmonics, ``(Q / L, A, F, M)``.

    Takes from ``d`` what the levels' coefficients leave of it, in place.
    """
    d.addcmul_(p, _of_blocks(more, tables, p.dtype), value=-1)
    fields = p.new_empty(4 if is_complex else 3, *p.shape[1:])  # (F, m, Q / L, L)
    torch.mul(p[0], p[0], out=fields[0]).addcmul_(p[1], p[1])
    torch.mul(d[0], d[0], out=fields[1]).addcmul_(d[1], d[1])
    torch.mul(d[0], p[0], out=fields[2]).addcmul_(d[1], p[1])
    if is_complex:
        torch.mul(d[1], p[0], out=fields[3]).addcmul_(d[0], p[1], value=-1)
    # A block's sum in the images' precision, the rest in double precision: one long sum would lose digits.
    blocks = fields.flatten(0, 1).permute(1, 2, 0).to(tables.weights.dtype)  # (Q / L, L, F m)
    return torch.bmm(tables.weights, blocks).unflatten(2, fields.shape[:2])


def _segment_sums(sums: Tensor, tables: Tables, num_levels: int) -> Tensor:
    """From sums over blocks ``(Q / L, A, F, M)`` to those over each level and sector, float64 ``(F, N, M, S A)``."""
    segments = (tables.members @ sums.flatten(1).double()).unflatten(0, (num_levels, -1)).unflatten(-1, sums.shape[1:])
    return segments.permute(3, 0, 4, 1, 2).flatten(-2)


def _matrices(segments: Tensor, tables: Tables, spec: PyramidSpec) -> Tensor:
    """Covariances ``(4 or 3, N, M, F, F)`` from sums over segments ``(4 or 3, N, M, S A)``."""
    matrices = segments[:3] @ tables.even
    if in_quadrature(spec):
        matrices[2] += segments[3] @ tables.odd
    elif spec.is_complex:
        matrices = torch.cat((matrices, segments[3:] @ tables.odd))
    return matrices.unflatten(-1, (num_bands(spec), -1))


def _gradient_spectrum(harmonics: Tensor, c: Tensor, p: Tensor, d: Tensor, tables: Tables) -> Tensor:
    """Spectrum of the gradient ``(2, m, Q)`` from harmonics ``(N S, R, m, A)`` of the factors of ``P`` and ``D``."""
    with torch.autocast(p.device.type, enabled=False):  # a backward pass may run inside a region of it
        spread = torch.bmm(harmonics[tables.segment].flatten(1, 2), tables.weights)  # (Q / L, R m, L)
    u, v, *w = spread.to(p.dtype).transpose(0, 1).unflatten(0, harmonics.shape[1:3])  # (m, Q / L, L) each
    spectrum = p.new_empty(p.shape)
    torch.mul(u, p, out=spectrum).addcmul_(v, d)
    if w:
        y = torch.addcmul(d, p, _of_blocks(c, tables, p.dtype))
        spectrum[0].addcmul_(w[0], y[1], value=-1)
        spectrum[1].addcmul_(w[0], y[0])
    return spectrum.flatten(-2)


def _image(spectrum: Tensor, tables: Tables, shape: tuple[int, ...]) -> Tensor:
    """The transpose of :func:`_sorted_spectrum`: spectra ``(2, M, Q)`` to images ``(M, H, W)``."""
    half = (*shape[:-1], shape[-1] // 2 + 1)
    half_space = spectrum.new_zeros(spectrum.shape[1], math.prod(half), 2)
    odd, even = tables.places[: tables.num_odd], tables.places[tables.num_odd :]
    for part, ordered in zip(half_space.unbind(-1), spectrum, strict=True):
        part.scatter_(1, odd.expand(len(part), -1), ordered[:, : tables.num_odd])
        even_places = even.expand(len(part), -1)
        part.scatter_(1, even_places, part.gather(1, even_places).add_(ordered[:, tables.num_odd :]))
    half_space = torch.view_as_complex(half_space).unflatten(1, half)
    half_space[..., 0] *= 2  # the inverse transform counts all other columns twice
    return torch.fft.irfftn(half_space, s=shape, dim=_spatial(half_space), norm="ortho")


def _regression(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Prediction and residual ``y - c p``, both less their mean ``(M, H, W)``, and the coefficient ``c`` ``(M,)``.

    Taken before the transform, whose rounding errors are then as small as the contrast of a prediction, and as the
    residual of a good one.
    """
    num_pixels = prediction[0].numel()
    axes = _spatial(prediction)
    p = prediction - prediction.mean(axes, keepdim=True)
    d = target - target.mean(axes, keepdim=True)
    variance = torch.linalg.vecdot(p.flatten(1), p.flatten(1)) / num_pixels
    c = torch.linalg.vecdot(p.flatten(1), d.flatten(1)) / num_pixels / (variance + _NO_CONTRAST)
    return p, d.addcmul_(p, c.reshape(-1, *[1] * len(axes)), value=-1), c


def _spatial(images: Tensor) -> tuple[int, ...]:
    return tuple(range(1, images.ndim))


def _of_blocks(c: Tensor, tables: Tables, dtype: torch.dtype) -> Tensor:
    return c.mT.to(dtype).index_select(1, tables.level)[..., None]  # (M, Q / L, 1)
