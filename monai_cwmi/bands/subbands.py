"""Covariances of the bands of prediction and target from the bands themselves: the textbook form.

Slow, but a few lines, and the only one for the published grid, whose filters have no symmetry to make use of.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_cwmi.bands.filters import PyramidSpec
from monai_cwmi.bands.pyramid import decompose_bands
from monai_cwmi.bands.tables import in_quadrature
from monai_cwmi.measures.mutual_information import BandCovariances


def subband_covariances(
    prediction: Tensor, target: Tensor, spec: PyramidSpec, slice_dim: int | None = None
) -> BandCovariances:
    """Covariances of the bands of a prediction and a target at all levels that fit.

    Args:
        prediction: Real ``(B, C, H, W)`` or ``(B, C, H, W, D)``, float32 or float64; gradients flow to it.
        target: The same shape and dtype; a constant, no gradient flows to it.
        spec: The pyramid, of as many axes as an image has.
        slice_dim: Spatial axis along which a volume is cut into ``S`` images of two axes.

    Returns:
        The covariances in float64, of images ``(B, C)``, or ``(B, C, S)`` of slices.
    """
    if slice_dim is not None:
        prediction, target = (volume.movedim(2 + slice_dim, 2) for volume in (prediction, target))
    matrices, coefficients = [], []
    for predicted, own in zip(decompose_bands(prediction, spec), decompose_bands(target.detach(), spec), strict=True):
        p, y = (_comparable(band, spec) for band in (predicted, own))  # (B, C, F, pixels)
        with torch.no_grad():
            c = (y * p.conj()).real.sum((-2, -1)) / (p.abs().square().sum((-2, -1)) + 1e-6)  # (B, C)
        d = y - c[..., None, None] * p
        cross = d @ p.mH
        parts = [(p @ p.mH).real, (d @ d.mH).real, cross.real]
        matrices.append(torch.stack([*parts, cross.imag] if cross.is_complex() else parts))
        coefficients.append(c)
    return BandCovariances(torch.stack(matrices, dim=1).double(), torch.stack(coefficients).double())


def _comparable(bands: Tensor, spec: PyramidSpec) -> Tensor:
    """Bands ``(..., K, h, w)`` as the vectors ``(..., F, pixels)`` whose covariances are taken."""
    bands = bands.flatten(-len(spec.spacing))
    # Of a circular complex band, real and imaginary part have half of its energy each.
    return torch.cat((bands.real, bands.imag), dim=-2) * math.sqrt(2) if in_quadrature(spec) else bands
