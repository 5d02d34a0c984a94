"""Spectra in the order of the tables: sums over them, and the gradient back to images.

``docs/explanation/mathematics.md``, section 'No subband image is needed', derives each line.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_cwmi.bands.spec import PyramidSpec
from monai_cwmi.bands.tables import Tables

# Any regression coefficient is right and only rounding depends on it; without contrast, 0 is as good as any.
_NO_CONTRAST = 1e-6


def in_blocks(spectrum: Tensor, tables: Tables) -> Tensor:
    """Spectra ``(..., at least Q)`` as the blocks of the tables, ``(..., Q / L, L)``."""
    return spectrum[..., : len(tables.indices)].unflatten(-1, tables.weights.shape[::2])


def sorted_spectrum(image: Tensor, tables: Tables, room: Tensor, low: Tensor) -> Tensor:
    """Spectrum of images ``(M, H, W)`` in the order of the tables, ``(2, M, Q / L, L)``, kept in ``room``.

    Keeps the frequencies around the low-pass band in ``low`` ``(2, M, R)``, unless that is empty.
    """
    spectrum = torch.fft.rfftn(image, dim=_spatial(image), norm="ortho").flatten(1)
    spectrum[:, 0] = 0  # what fills up the blocks counts nothing
    # Both parts at once: a gather takes its time over addresses, not over what lies there.
    ordered = torch.view_as_real(spectrum.gather(1, tables.indices.expand(len(image), -1)))  # (M, Q, 2)
    room[..., : len(tables.indices)].copy_(ordered.movedim(-1, 0))
    if low.numel():
        low.copy_(torch.view_as_real(spectrum[:, tables.lowpass_indices]).movedim(-1, 0))
    return in_blocks(room, tables)


def level_coefficients(p: Tensor, d: Tensor, tables: Tables, num_levels: int) -> Tensor:
    """Regression coefficient of the residual on the prediction at each level, ``(N, M)``.

    What is right for the image as a whole need not be so at each level.
    """
    power, product = ((a[0] * p[0]).addcmul_(a[1], p[1]).sum(-1).mT for a in (p, d))  # (Q / L, m) each
    levels = (tables.level == torch.arange(num_levels, device=p.device)[:, None]).to(p.dtype)  # (N, Q / L)
    return levels @ product / (levels @ power + _NO_CONTRAST)


def block_sums(p: Tensor, d: Tensor, more: Tensor, tables: Tables, is_complex: bool) -> Tensor:
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


def segment_sums(sums: Tensor, tables: Tables, num_levels: int) -> Tensor:
    """From sums over blocks ``(Q / L, A, F, M)`` to those over each level and sector, float64 ``(F, N, M, S A)``."""
    segments = (tables.members @ sums.flatten(1).double()).unflatten(0, (num_levels, -1)).unflatten(-1, sums.shape[1:])
    return segments.permute(3, 0, 4, 1, 2).flatten(-2)


def moment_matrices(segments: Tensor, tables: Tables, spec: PyramidSpec) -> Tensor:
    """Moment matrices ``(4 or 3, N, M, F, F)`` from sums over segments ``(4 or 3, N, M, S A)``."""
    matrices = segments[:3] @ tables.even
    if spec.in_quadrature:
        matrices[2] += segments[3] @ tables.odd
    elif spec.is_complex:
        matrices = torch.cat((matrices, segments[3:] @ tables.odd))
    return matrices.unflatten(-1, (spec.num_bands, -1))


def harmonic_factors(grad: Tensor, c: Tensor, tables: Tables, is_complex: bool) -> Tensor:
    """Factors of ``P`` and ``D`` in the gradient, as harmonics of each segment ``(N S, R, M, A)``.

    With ``D = Y - c P`` the gradient is ``u P + v D``, with ``Im u = c w`` and ``Im v = w``: ``R = 3`` factors ``u``,
    ``v``, ``w``, or 2 in the real pyramid.

    Args:
        grad: Gradient in the moments, ``(4 or 3, N, M, F, F)``.
        c: The coefficients, ``(N, M)``.
        tables: The tables.
        is_complex: Whether the pyramid is.
    """
    # A half for the two columns that an inner one stands for.
    pp, dd, dp_real, *dp_imag = 0.5 * grad.flatten(-2)  # (N, M, F F) each
    weights = torch.stack((2 * pp - c[..., None] * dp_real, dp_real - 2 * c[..., None] * dd)) @ tables.even.mT
    if is_complex:
        (dp_imag,) = dp_imag or [dp_real]
        weights = torch.cat((weights, -dp_imag[None] @ tables.odd.mT))  # (R, N, M, S A)
    harmonics = weights.unflatten(-1, (-1, tables.weights.shape[1])).permute(1, 3, 0, 2, 4)  # (N, S, R, M, A)
    return harmonics.flatten(0, 1).to(tables.weights.dtype)


def pair_factors(grad: Tensor, c: Tensor) -> Tensor:
    """Factors of ``p`` and ``d`` in the gradient of sums ``PP, DD, DP``, ``(n, 2, M)`` from ``(n, 3, M)``."""
    pp, dd, dp = grad.unbind(1)
    return torch.stack((2 * pp - c * dp, dp - 2 * c * dd), dim=1)


def add_lowpass(half_space: Tensor, factors: Tensor, low: Tensor, tables: Tables) -> None:
    """Add the gradient of the sums over the low-pass band to a half space ``(M, frequencies)``.

    Args:
        half_space: Changed in place.
        factors: Of ``P`` and ``D``, ``(2, M)``.
        low: Both at the frequencies of the band, ``(2, 2, M, R)``.
        tables: The tables.
    """
    u, v = 0.5 * factors.to(low.dtype)[..., None] * tables.lowpass_weights.to(low.dtype)  # (M, R) each
    half_space.index_add_(1, tables.lowpass_indices, torch.complex(*(u * low[0] + v * low[1])))


def with_pixel_terms(
    image: Tensor, factors: Tensor, means: Tensor, grad_mean: Tensor, pair: tuple[Tensor, Tensor]
) -> Tensor:
    """Add the gradient of the sums over all pixels, and of the mean, to that of the levels.

    Args:
        image: Gradient so far, ``(M, H, W)``; changed in place.
        factors: Of ``p`` and ``d``, ``(2, M)``.
        means: Mean of prediction and target, and the coefficient ``c``, ``(3, M)``.
        grad_mean: Gradient in the prediction's mean, ``(M,)``.
        pair: Prediction and target, ``(M, H, W)``.
    """
    u, v = factors
    p_mean, y_mean, c = means
    of_p, of_y = u - v * c, v
    constant = grad_mean / image[0].numel() - of_p * p_mean - of_y * y_mean
    of_p, of_y, constant = (x.to(image.dtype).reshape(-1, *[1] * (image.ndim - 1)) for x in (of_p, of_y, constant))
    return image.add_(constant).addcmul_(pair[0], of_p).addcmul_(pair[1], of_y)


def gradient_spectrum(harmonics: Tensor, c: Tensor, p: Tensor, d: Tensor, tables: Tables) -> Tensor:
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


def unsorted(spectrum: Tensor, tables: Tables, shape: tuple[int, ...]) -> Tensor:
    """The transpose of the sorting: spectra ``(2, M, Q)`` to the half space, complex ``(M, frequencies)``."""
    frequencies = math.prod(shape[:-1]) * (shape[-1] // 2 + 1)
    ordered = torch.complex(*spectrum)  # (M, Q)
    half_space = ordered.new_zeros(len(ordered), frequencies)
    odd, even = (indices.expand(len(ordered), -1) for indices in tables.indices.tensor_split([tables.num_odd]))
    half_space.scatter_(1, odd, ordered[:, : tables.num_odd])
    half_space.scatter_(1, even, half_space.gather(1, even).add_(ordered[:, tables.num_odd :]))
    return half_space


def image_of(half_space: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The transpose of the transform: half spaces ``(M, frequencies)`` to images ``(M, H, W)``."""
    half_space = half_space.unflatten(1, (*shape[:-1], shape[-1] // 2 + 1))
    half_space[..., 0] *= 2  # the inverse transform counts all other columns twice
    return torch.fft.irfftn(half_space, s=shape, dim=_spatial(half_space), norm="ortho")


def regression(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prediction and remainder ``y - c p`` of images ``(M, H, W)``, both less their means.

    Taken before the transform, whose rounding errors are then as small as the contrast of a prediction, and as the
    remainder of a good one.

    Returns:
        Both, ``(M, H, W)``; the means of prediction and target and the coefficient ``c``, ``(3, M)``; and the sum over
        pixels of the prediction squared, ``(M,)``.
    """
    num_pixels = prediction[0].numel()
    axes = _spatial(prediction)
    means = torch.stack((prediction.mean(axes), target.mean(axes)))  # (2, M)
    p_mean, y_mean = means.reshape(2, -1, *[1] * len(axes))
    p, d = prediction - p_mean, target - y_mean
    power, product = torch.linalg.vecdot(p.flatten(1), p.flatten(1)), torch.linalg.vecdot(p.flatten(1), d.flatten(1))
    c = product / (power + _NO_CONTRAST * num_pixels)
    d.addcmul_(p, c.reshape(-1, *[1] * len(axes)), value=-1)
    return p, d, torch.cat((means, c[None])), power


def pixel_sums(p: Tensor, d: Tensor, power: Tensor) -> Tensor:
    """Sums ``PP``, which is known, ``DD`` and ``DP`` over the pixels of images ``(M, H, W)``, ``(3, M)``."""
    p, d = p.flatten(1), d.flatten(1)
    return torch.stack((power, torch.linalg.vecdot(d, d), torch.linalg.vecdot(d, p)))


def lowpass_sums(low: Tensor, tables: Tables) -> Tensor:
    """Sums ``PP, DD, DP`` over the low-pass band from its frequencies ``(2, 2, M, R)``, float64 ``(3, M)``."""
    p, d = low.double() * tables.lowpass_weights.sqrt()  # (2, M, R) each, real and imaginary part
    return torch.stack([(a * b).sum((0, -1)) for a, b in ((p, p), (d, d), (d, p))])


def _spatial(images: Tensor) -> tuple[int, ...]:
    return tuple(range(1, images.ndim))


def _of_blocks(c: Tensor, tables: Tables, dtype: torch.dtype) -> Tensor:
    return c.mT.to(dtype).index_select(1, tables.level)[..., None]  # (M, Q / L, 1)
