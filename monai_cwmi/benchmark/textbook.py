"""The loss in the form of its paper, from subband images, to measure what it costs to make them."""

from __future__ import annotations

from monai_cwmi.bands.subbands import subband_moments
from monai_cwmi.losses import CWMILoss


class SubbandCWMILoss(CWMILoss):
    """:class:`monai_cwmi.CWMILoss`, computed from the bands as images, through autograd.

    It makes its filters anew in each step. That is little beside its transforms on a CPU, but not on a fast GPU.

    Example:
        >>> import torch
        >>> logits, target = torch.randn(1, 1, 32, 32).double(), torch.zeros(1, 1, 32, 32)
        >>> target[..., 8:24, 8:24] = 1
        >>> textbook, fast = SubbandCWMILoss(sigmoid=True), CWMILoss(sigmoid=True)
        >>> torch.allclose(textbook(logits, target), fast(logits, target), rtol=1e-4)
        True
    """

    moments_of = staticmethod(subband_moments)
