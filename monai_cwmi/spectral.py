"""Covariances of the bands of prediction and target, from their two spectra: the one hot loop.

By Parseval's theorem a sum over the pixels of two bands is a sum over frequencies, weighted with the product of their
filters; no band is ever made. ``docs/mathematics.md``, section 'No subband image is needed', derives each line.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from monai_cwmi.filters import band_filters, fft_frequencies, mirrored


class BandCovariances(NamedTuple):
    """Covariances at each level, as sums over pixels, of target ``y``, prediction ``p`` and residual ``d = y - c p``.

    Attributes:
        target: ``G_YY``, ``(N, B, C, K, K)``, real symmetric, without gradient.
        prediction: ``G_PP``, ``(N, B, C, K, K)``, real symmetric.
        residual: ``G_DD``, ``(N, B, C, K, K)``, real symmetric.
        target_cross: ``G_YP``, ``(N, B, C, K, K)``; complex symmetric in the complex pyramid, else real.
        residual_cross: ``G_DP``, likewise.
        coefficient: ``c``, ``(B, C, 1, 1)``, the regression coefficient of the target on the prediction.
    """

    target: Tensor
    prediction: Tensor
    residual: Tensor
    target_cross: Tensor
    residual_cross: Tensor
    coefficient: Tensor


class PyramidSpec(NamedTuple):
    """What the weight tables depend on besides image size, dtype and device; all levels must fit the image."""

    num_levels: int
    num_orientations: int
    is_complex: bool
    frequency_grid: str


class _Tables(NamedTuple):
    """Weights of a spectrum's frequencies in the sums over pixels, one tensor ``(h, P, w)`` for each level.

    ``P`` counts the pairs of orientations ``j <= k``. A table covers the box of the ``rfft2`` half plane that the
    level's filters live in; that of level 1 is the whole half plane.

    Attributes:
        even: Weights of a cross-spectrum's real part.
        odd: Weights of its imaginary part; empty in the real pyramid, where they are zero.
    """

    even: tuple[Tensor, ...]
    odd: tuple[Tensor, ...]


def band_covariances(prediction: Tensor, target: Tensor, spec: PyramidSpec) -> BandCovariances:
    """Covariances of the bands of a prediction and a target at all levels that fit.

    Args:
        prediction: Real ``(B, C, H, W)``, float32 or float64; gradients flow to it.
        target: The same shape and dtype; a constant, no gradient flows to it.
        spec: The pyramid, of no more levels than fit.

    Returns:
        The covariances in float64.
    """
    batch, channels, height, width = prediction.shape
    images = prediction.reshape(-1, height, width)  # (B C, H, W)
    targets = target.detach().reshape(-1, height, width)
    coefficient, offset = _regression(images.detach(), targets)
    sums = _PairCovariances.apply(images, targets, coefficient, offset, spec)  # (7, N, B C, P)

    matrices = sums @ _pairs_to_matrix(spec.num_orientations, sums.device)  # (7, N, B C, K K)
    matrices = matrices.unflatten(-1, (spec.num_orientations,) * 2).unflatten(2, (batch, channels))
    own, predicted, residual, *crosses = matrices.unbind(0)  # (N, B, C, K, K) each
    if spec.is_complex:
        crosses = [torch.complex(crosses[0], crosses[2]), torch.complex(crosses[1], crosses[3])]
    return BandCovariances(
        target=own.detach(),
        prediction=predicted,
        residual=residual,
        target_cross=crosses[0],
        residual_cross=crosses[1],
        coefficient=coefficient.double().reshape(batch, channels, 1, 1),
    )


class _PairCovariances(torch.autograd.Function):
    """Sums over pixels of band products ``YY*, PP*, DD*, Re YP*, Re DP*, Im YP*, Im DP*`` for orientations ``j <= k``.

    Autograd would keep every product of spectra; this keeps the two spectra and ends in one inverse transform. The real
    pyramid has no use for the imaginary parts and does without the last two.
    """

    @staticmethod
    def forward(
        ctx: Any, prediction: Tensor, target: Tensor, coefficient: Tensor, offset: Tensor, spec: PyramidSpec
    ) -> Tensor:
        residual = torch.add(target, offset).addcmul_(prediction, coefficient, value=-1)  # y - c p less its mean
        p, d = _spectrum(prediction), _spectrum(residual)  # (2, M, H, W // 2 + 1), M = B C
        ctx.save_for_backward(p, d, coefficient)
        ctx.spec = spec
        ctx.is_odd = prediction.shape[-1] % 2 == 1  # all of the image's size that its half plane does not tell
        return _product_sums(p, d, coefficient, ctx.is_odd, *spec).double()  # (7, N, M, P)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        p, d, coefficient = ctx.saved_tensors
        real, imag = _gradient_spectrum(grad, p, d, coefficient, ctx.is_odd, *ctx.spec)  # (M, H, W // 2 + 1)
        shape = _image_shape(p, ctx.is_odd)
        gradient = torch.fft.irfft2(torch.complex(real, imag), s=shape, norm="ortho")
        return gradient, None, None, None, None


# Operators of their own: torch.compile would otherwise trace the making of the tables into every step.
@torch.library.custom_op("monai_cwmi::product_sums", mutates_args=())
def _product_sums(
    p: Tensor,
    d: Tensor,
    coefficient: Tensor,
    is_odd: bool,
    num_levels: int,
    num_orientations: int,
    is_complex: bool,
    frequency_grid: str,
) -> Tensor:
    """Sums ``(7, N, M, P)`` over pixels of the products of bands, from spectra ``(2, M, H, W // 2 + 1)``."""
    tables = _tables(p, is_odd, PyramidSpec(num_levels, num_orientations, is_complex, frequency_grid))
    y = torch.addcmul(d, p, coefficient)
    products = p.new_empty((5, *p.shape[1:]))
    for real, (a, b) in zip(products, ((y, y), (p, p), (d, d), (y, p), (d, p)), strict=True):
        torch.mul(a[0], b[0], out=real).addcmul_(a[1], b[1])
    sums = _weighted_sums(products, tables.even)
    if not is_complex:
        return sums
    for imag, a in zip(products[:2], (y, d), strict=True):
        torch.mul(a[1], p[0], out=imag).addcmul_(a[0], p[1], value=-1)
    return torch.cat((sums, _weighted_sums(products[:2], tables.odd)))


@_product_sums.register_fake
def _(p: Tensor, d: Tensor, coefficient: Tensor, is_odd: bool, *spec: Any) -> Tensor:
    num_levels, num_orientations, is_complex, _ = spec
    num_pairs = num_orientations * (num_orientations + 1) // 2
    return p.new_empty((7 if is_complex else 5, num_levels, p.shape[1], num_pairs))


@torch.library.custom_op("monai_cwmi::gradient_spectrum", mutates_args=())
def _gradient_spectrum(
    grad: Tensor,
    p: Tensor,
    d: Tensor,
    coefficient: Tensor,
    is_odd: bool,
    num_levels: int,
    num_orientations: int,
    is_complex: bool,
    frequency_grid: str,
) -> Tensor:
    """Spectrum ``(2, M, H, W // 2 + 1)`` of the gradient in the prediction, from that in the sums ``(7, N, M, P)``."""
    tables = _tables(p, is_odd, PyramidSpec(num_levels, num_orientations, is_complex, frequency_grid))
    c = coefficient[..., 0]  # (M, 1)
    _, pp, dd, yp_real, dp_real, *cross_imag = grad.unbind(0)  # (N, M, P) each, float64
    # With D = Y - c P the gradient is u P + v D, with Im u = c w and Im v = w.
    weights = torch.stack((2 * pp + c * (yp_real - dp_real), yp_real + dp_real - 2 * c * dd), dim=1)
    u, v = _spread(weights.to(p.dtype), tables.even)  # (M, H, W // 2 + 1)
    spectrum = torch.empty_like(p)
    for out, p_part, d_part in zip(spectrum, p, d, strict=True):
        torch.mul(u, p_part, out=out).addcmul_(v, d_part)
    if is_complex:
        y = torch.addcmul(d, p, coefficient)
        (w,) = _spread(-torch.stack(cross_imag).sum(0)[:, None].to(p.dtype), tables.odd)
        spectrum[0].addcmul_(w, y[1], value=-1)
        spectrum[1].addcmul_(w, y[0])
    # The inverse transform counts each inner column twice, the weights did so already.
    spectrum[..., 1 : (_image_shape(p, is_odd)[1] + 1) // 2] *= 0.5
    return spectrum


@_gradient_spectrum.register_fake
def _(grad: Tensor, p: Tensor, *rest: Any) -> Tensor:
    return torch.empty_like(p)


def _image_shape(half_plane: Tensor, is_odd: bool) -> tuple[int, int]:
    return half_plane.shape[-2], 2 * (half_plane.shape[-1] - 1) + is_odd


def _spectrum(image: Tensor) -> Tensor:
    """Half plane of an image's spectrum, real and imaginary part apart: ``(2, M, H, W // 2 + 1)``."""
    return torch.view_as_real(torch.fft.rfft2(image, norm="ortho")).movedim(-1, 0).contiguous()


def _regression(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Regression coefficient ``c`` of target on prediction ``(M, 1, 1)`` and the constant that centres ``y - c p``."""
    p, y = prediction.flatten(1), target.flatten(1)
    mean_p, mean_y = p.mean(1), y.mean(1)
    variance = torch.linalg.vecdot(p, p) / p.shape[1] - mean_p.square()
    covariance = torch.linalg.vecdot(p, y) / p.shape[1] - mean_p * mean_y
    # Any c is right and only rounding depends on it; without contrast in the prediction, 0 is as good as any.
    c = covariance / (variance.clamp_min(0) + 1e-6)
    return c[:, None, None], (c * mean_p - mean_y)[:, None, None]


def _weighted_sums(products: Tensor, tables: tuple[Tensor, ...]) -> Tensor:
    """Sums ``(R, N, M, P)`` of products of spectra ``(R, M, H, W // 2 + 1)``, weighted by each level's table.

    Sums over columns, then over rows: one long sum in single precision would lose one to three digits.
    """
    num_pairs = tables[0].shape[1] if tables else 0
    sums = products.new_empty((len(tables), products.shape[0] * products.shape[1], num_pairs))
    for level_sums, table in zip(sums, tables, strict=True):
        box = _crop(products.flatten(0, 1), table)  # (R M, h, w)
        level_sums.copy_(torch.bmm(box.transpose(0, 1), table.mT).sum(0))
    return sums.unflatten(1, products.shape[:2]).transpose(0, 1).contiguous()


def _spread(weights: Tensor, tables: tuple[Tensor, ...]) -> Tensor:
    """The transpose of :func:`_weighted_sums`: weights ``(N, R, M, P)`` to frequencies ``(R, M, H, W // 2 + 1)``."""
    with torch.autocast(weights.device.type, enabled=False):  # a backward pass may run inside a region of it
        boxes = [
            torch.matmul(weight, table).transpose(0, 1)  # (R M, h, w)
            for weight, table in zip(weights.flatten(1, 2), tables, strict=True)
        ]
    total, *coarser = boxes
    for box in coarser:
        for rows in _row_blocks(box.shape[1], total.shape[1]):
            total[:, rows, : box.shape[2]] += box[:, rows]
    return total.unflatten(0, weights.shape[1:3])


def _crop(half_plane: Tensor, table: Tensor) -> Tensor:
    rows, _, columns = table.shape
    if rows == half_plane.shape[-2]:
        return half_plane[..., :columns]
    return torch.cat([half_plane[..., block, :columns] for block in _row_blocks(rows, half_plane.shape[-2])], dim=-2)


def _row_blocks(rows: int, height: int) -> list[slice]:
    """Rows of lowest frequency, as blocks that mean the same in a spectrum and in a box cut from it."""
    return [slice(None)] if rows == height else [slice(0, (rows + 1) // 2), slice(-(rows // 2), None)]


def _tables(half_plane: Tensor, is_odd: bool, spec: PyramidSpec) -> _Tables:
    return _cached_tables(_image_shape(half_plane, is_odd), spec, half_plane.dtype, half_plane.device)


# A training loop sees a few sizes at a time (train, validation, deep supervision); older sizes are let go.
@lru_cache(maxsize=8)
def _cached_tables(shape: tuple[int, int], spec: PyramidSpec, dtype: torch.dtype, device: torch.device) -> _Tables:
    tables = [_level_tables(shape, spec, level) for level in range(1, spec.num_levels + 1)]
    return _Tables(
        even=tuple(even.to(device, dtype) for even, _ in tables),
        odd=tuple(odd.to(device, dtype) for _, odd in tables) if spec.is_complex else (),
    )


def _level_tables(shape: tuple[int, int], spec: PyramidSpec, level: int) -> tuple[Tensor, Tensor]:
    height, width = shape
    row_reach, column_reach = (math.ceil(size / 2**level) for size in shape)
    rows = fft_frequencies(height if level == 1 else min(height, 2 * row_reach + 1))
    columns = torch.arange(width // 2 + 1 if level == 1 else column_reach + 1, dtype=torch.float64)
    columns = torch.where(2 * columns == width, -columns, columns)  # Nyquist's sign is negative in a full transform

    def pair_weights(q_rows: Tensor, q_columns: Tensor) -> Tensor:
        filters = band_filters((q_rows, q_columns), shape, level, *spec[1:])  # (K, h, w)
        j, k = torch.triu_indices(spec.num_orientations, spec.num_orientations).unbind()
        return (filters[j] * filters[k]).transpose(0, 1)  # (h, P, w)

    direct = pair_weights(rows, columns)
    opposite = pair_weights(mirrored(rows, height), mirrored(columns, width))
    # A frequency stands for its mirror image too, unless the half plane holds both.
    multiplicity = torch.where(mirrored(columns, width) == columns, 0.5, 1.0)
    scale = 4.0 ** (level - 1)  # from a sum over frequencies of an orthonormal transform to one over the level's pixels
    return (direct + opposite) * multiplicity * scale, (direct - opposite) * multiplicity * scale


def _pairs_to_matrix(num_orientations: int, device: torch.device) -> Tensor:
    """Zeros and ones that unfold the pairs ``j <= k`` into a symmetric matrix, ``(P, K K)``."""
    order = torch.arange(num_orientations, device=device)
    j, k = torch.triu_indices(num_orientations, num_orientations, device=device)[..., None, None]  # (P, 1, 1)
    upper = (j == order[:, None]) & (k == order)  # (P, K, K)
    return (upper | upper.mT).flatten(1).double()
