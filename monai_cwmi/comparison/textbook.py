"""The loss in the form of its paper, from subband images, to measure what it costs to make them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from monai_cwmi.filters import PyramidSpec, fitting_levels
from monai_cwmi.functional import ROUNDING
from monai_cwmi.information import mutual_information_terms
from monai_cwmi.losses import CWMILoss
from monai_cwmi.losses.cross_entropy import cross_entropy
from monai_cwmi.subbands import subband_covariances


class SubbandCWMILoss(torch.nn.Module):
    """:class:`monai_cwmi.CWMILoss` with its default options, computed from the bands as images, through autograd.

    It makes its filters anew in each step. That is little beside its transforms on a CPU, but not on a fast GPU.

    Args:
        is_complex: Complex pyramid (CWMI) or real one (CWMI-Real).
        options: Further options of ``CWMILoss``: an activation, ``to_onehot_y``, ``num_levels``, ``num_orientations``.

    Example:
        >>> logits, target = torch.randn(1, 1, 32, 32).double(), torch.zeros(1, 1, 32, 32)
        >>> target[..., 8:24, 8:24] = 1
        >>> textbook, fast = SubbandCWMILoss(sigmoid=True), CWMILoss(sigmoid=True)
        >>> torch.allclose(textbook(logits, target), fast(logits, target), rtol=1e-4)
        True
    """

    def __init__(self, is_complex: bool = True, **options: Any) -> None:
        super().__init__()
        self.options = CWMILoss(is_complex=is_complex, **options)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            input: Logits ``(B, C, H, W)``.
            target: ``(B, C, H, W)``, or ``(B, 1, H, W)`` with ``to_onehot_y``.

        Returns:
            A number: the mean over batch and channels.
        """
        options = self.options
        prepared = options.prepare(input, target)
        entropy = cross_entropy(
            prepared,
            from_sigmoid=options.prepare.sigmoid,
            weight=None,
            balanced=False,
            resolution=torch.finfo(input.dtype).eps,
        )  # (B, 1) or (B, C)
        probabilities, labels = prepared.probabilities, prepared.target
        levels = fitting_levels(input.shape[2:], options.num_levels)
        spec = PyramidSpec(levels, options.num_orientations, options.is_complex, "centred")
        with torch.autocast(input.device.type, enabled=False):
            covariances = subband_covariances(probabilities, labels, spec)
            information = mutual_information_terms(covariances, options.alpha, ROUNDING[labels.dtype])  # (N, B, C)
        return (options.lambda_ce * entropy - options.lambda_mi * information.sum(0).to(labels.dtype)).mean()
