"""Moments of the two residual bands, from sums that are known anyway.

The pyramid is a tight frame: the squared filters of the high-pass band, the levels and the low-pass band add up to one.
So the moments of the high-pass band are those of the whole image less those of all other bands, and the low-pass band
is a handful of frequencies and the mean. Both are sums over the image's own pixels: the two bands' energies can be
compared, and white noise has as much in each as the band has independent coefficients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from monai_cwmi.bands.moments import Moments
from monai_cwmi.bands.spec import PyramidSpec


def residual_matrices(levels: Moments, totals: Tensor, coefficient: Tensor, spec: PyramidSpec) -> Tensor:
    """Moments ``PP, DD, DP`` of the high-pass and of the low-pass band, of images less their means.

    Args:
        levels: Those of the oriented bands.
        totals: Sums ``PP, DD, DP`` over all pixels, and over the pixels of the low-pass band, float64
            ``(2, 3, B, C[, S])``.
        coefficient: ``c`` of the image as a whole, with which ``D`` was made, ``(B, C[, S])``.
        spec: The pyramid.

    Returns:
        Float64 ``(3, 2, B, C[, S], 1, 1)``.
    """
    everything, lowpass = totals
    # A level's grid has the fewer pixels, and the larger energies, the coarser it is.
    scale = 2.0 ** (spec.spatial_dims * torch.arange(spec.num_levels, dtype=torch.float64, device=totals.device))
    scale = scale * _redundancy(spec)
    energies = levels.matrices[:3].diagonal(dim1=-2, dim2=-1).sum(-1)  # (3, N, B, C[, S])
    pp, dd, dp = energies / scale.reshape(-1, *[1] * (energies.ndim - 2))
    shift = levels.coefficient - coefficient  # from each level's own coefficient to the image's
    in_levels = torch.stack((pp, dd + 2 * shift * dp + shift.square() * pp, dp + shift * pp)).sum(1)  # (3, B, C[, S])
    return torch.stack((everything - in_levels - lowpass, lowpass), dim=1)[..., None, None]


def with_means(residuals: Moments, means: Tensor, pixels: Tensor | int) -> Moments:
    """Add the means of prediction and target, which are frequency 0, to the low-pass band's moments.

    Args:
        residuals: Moments of the two residual bands, of images less their means.
        means: Mean of prediction and of target, float64 ``(2, B, C[, S])``.
        pixels: How many pixels of each image count.
    """
    p, y = means[0], means[1].detach()
    d = y - residuals.coefficient[1] * p
    energy = pixels * torch.stack((p * p, d * d, d * p))
    added = torch.stack((torch.zeros_like(energy), energy), dim=1)[..., None, None]
    return residuals._replace(matrices=residuals.matrices + added)


def _redundancy(spec: PyramidSpec) -> float:
    """By how much the energy of all bands of a level is larger than that of the image's part in the level."""
    if spec.in_quadrature:
        return 4.0
    return 2.0 if spec.is_complex else 1.0
