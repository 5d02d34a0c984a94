"""The error in the two residual bands of the pyramid, which no oriented band sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from monai_cwmi.bands.moments import Moments
from monai_cwmi.measures.base import MomentMeasure, trace

# Noise floor: a share of the target's energy in the band, and the variance of noise in each coefficient.
_TARGET_SHARE, _NOISE = 0.05, 1e-4


@dataclass(frozen=True)
class ResidualError(MomentMeasure):
    r"""Error of the high-pass band and of the low-pass band, relative to what the target holds in them.

    .. math::
        s = \frac{\log(1 + E / n)}{\log 21}, \qquad n = 0.05\, Y + 10^{-4} M

    with :math:`E` the energy of the error :math:`y - p` in the band, :math:`Y` that of the target and :math:`M` the
    number of the band's independent coefficients: :math:`10^{-4} M` is what white noise of standard deviation 0.01 has
    in the band. 0 is a perfect band, and a blank prediction scores 1. It sees contrast, the sign and the mean, and is
    finite where a class is absent.
    """

    name: ClassVar[str] = "residual_error"
    unit: ClassVar[str] = ""
    sign: ClassVar[int] = -1
    of_residuals: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("highpass_error", "lowpass_error")
    every_slice: ClassVar[bool] = True  # a false alarm in an empty slice is an error

    def values(self, moments: Moments) -> Tensor:
        """``(2, B, C)``, or ``(2, B, C, S)`` of slices: of the high-pass and of the low-pass band."""
        error, target = (trace(matrices).clamp_min(0) for matrices in (moments.error, moments.target))
        count = moments.num_independent.reshape(-1, *[1] * (error.ndim - 1))
        noise = _TARGET_SHARE * target + _NOISE * count
        return torch.log1p(error / noise) / math.log1p(1 / _TARGET_SHARE)
