"""Covariances of the bands of prediction and target from the bands themselves: the textbook form.

Slow, but a few lines, and the only one for the published grid, whose filters have no symmetry to make use of.
"""

from __future__ import annotations

import torch
from torch import Tensor

from monai_cwmi.filters import PyramidSpec
from monai_cwmi.information import BandCovariances
from monai_cwmi.pyramid import SteerablePyramid


def subband_covariances(prediction: Tensor, target: Tensor, spec: PyramidSpec) -> BandCovariances:
    """Covariances of the bands of a prediction and a target at all levels that fit.

    Args:
        prediction: Real ``(B, C, H, W)``, float32 or float64; gradients flow to it.
        target: The same shape and dtype; a constant, no gradient flows to it.
        spec: The pyramid.

    Returns:
        The covariances in float64.
    """
    pyramid = SteerablePyramid(*spec)
    matrices, coefficients = [], []
    for predicted, own in zip(pyramid(prediction).bands, pyramid(target.detach()).bands, strict=True):
        p, y = predicted.flatten(-2), own.flatten(-2)  # (B, C, K, pixels)
        with torch.no_grad():
            c = (y * p.conj()).real.sum((-2, -1)) / (p.abs().square().sum((-2, -1)) + 1e-6)  # (B, C)
        d = y - c[..., None, None] * p
        cross = d @ p.mH
        parts = [(p @ p.mH).real, (d @ d.mH).real, cross.real]
        matrices.append(torch.stack([*parts, cross.imag] if spec.is_complex else parts))
        coefficients.append(c)
    return BandCovariances(torch.stack(matrices, dim=1).double(), torch.stack(coefficients).double())
