"""Moments of the bands of prediction and target from the bands themselves: the textbook form.

Slow, but a few lines, and the only one for the published grid, whose filters have no symmetry to make use of.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_cwmi.bands.filters import band_filters, fft_frequencies, residual_filters
from monai_cwmi.bands.moments import ROUNDING, Moments, PyramidMoments
from monai_cwmi.bands.pyramid import decompose
from monai_cwmi.bands.spec import PyramidSpec


def subband_moments(
    prediction: Tensor, target: Tensor, spec: PyramidSpec, slice_dim: int | None = None, *, residuals: bool = False
) -> PyramidMoments:
    """Moments of the bands of a prediction and a target at all levels that fit.

    Args:
        prediction: Real ``(B, C, H, W)`` or ``(B, C, H, W, D)``, float32 or float64; gradients flow to it.
        target: The same shape and dtype; a constant, no gradient flows to it.
        spec: The pyramid, of as many axes as an image has.
        slice_dim: Spatial axis along which a volume is cut into ``S`` images of two axes.
        residuals: Whether to give those of the two residual bands too.

    Returns:
        The moments in float64, of images ``(B, C)``, or ``(B, C, S)`` of slices.
    """
    if slice_dim is not None:
        prediction, target = (volume.movedim(2 + slice_dim, 2) for volume in (prediction, target))
    target = target.detach()
    shape = tuple(prediction.shape[-spec.spatial_dims :])
    p, y = decompose(prediction, spec), decompose(target, spec)
    levels = _moments([(_comparable(a, spec), _comparable(b, spec)) for a, b in zip(p.bands, y.bands, strict=True)])
    counts = [_num_independent(shape, spec, level) for level in range(spec.num_levels + 2)]
    independent = torch.tensor(counts, dtype=torch.float64, device=prediction.device)
    rounding = ROUNDING[prediction.dtype]
    moments = PyramidMoments(Moments(*levels, independent[1:-1], rounding, spec.in_quadrature))
    if not residuals:
        return moments
    # The low-pass band has fewer pixels than the image, and as much larger an energy for each of the image's.
    scale = 2.0 ** (-spec.spatial_dims * spec.num_levels / 2)
    pairs = ((p.highpass, y.highpass), (scale * p.lowpass, scale * y.lowpass))
    of_residuals = _moments([(_one_band(a, spec), _one_band(b, spec)) for a, b in pairs])
    return moments._replace(residuals=Moments(*of_residuals, independent[:: spec.num_levels + 1], rounding))


def _one_band(band: Tensor, spec: PyramidSpec) -> Tensor:
    return band.flatten(-spec.spatial_dims)[..., None, :]  # (..., 1, pixels)


def _moments(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """``matrices`` and ``coefficient`` of bands ``(B, C[, S], F, pixels)`` of prediction and target at each level."""
    matrices, coefficients = [], []
    for p, y in pairs:
        with torch.no_grad():
            c = (y * p.conj()).real.sum((-2, -1)) / (p.abs().square().sum((-2, -1)) + 1e-6)  # (B, C[, S])
        d = y - c[..., None, None] * p
        cross = d @ p.mH
        parts = [(p @ p.mH).real, (d @ d.mH).real, cross.real]
        matrices.append(torch.stack([*parts, cross.imag] if cross.is_complex() else parts))
        coefficients.append(c)
    return torch.stack(matrices, dim=1).double(), torch.stack(coefficients).double()


def _comparable(bands: Tensor, spec: PyramidSpec) -> Tensor:
    """Bands ``(..., K, h, w)`` as the vectors ``(..., F, pixels)`` whose moments are taken."""
    bands = bands.flatten(-spec.spatial_dims)
    # Of a circular complex band, real and imaginary part have half of its energy each.
    return torch.cat((bands.real, bands.imag), dim=-2) * math.sqrt(2) if spec.in_quadrature else bands


def _num_independent(shape: tuple[int, ...], spec: PyramidSpec, level: int) -> float:
    """Independent coefficients of a band, ``(sum w)^2 / sum w^2`` over its squared filter; their mean at a level."""
    frequencies = tuple(fft_frequencies(size) for size in shape)
    if 1 <= level <= spec.num_levels:
        options = spec.num_orientations, False, spec.frequency_grid, spec.spacing
        squared = band_filters(frequencies, shape, level, *options).square()  # (K, h, w)
    else:
        lowpass = residual_filters(frequencies, shape, max(level - 1, 0), spec.spacing).square()[None]
        squared = 1 - lowpass if level == 0 else lowpass
    squared = squared.flatten(1)
    return (squared.sum(1).square() / squared.square().sum(1)).mean().item()
