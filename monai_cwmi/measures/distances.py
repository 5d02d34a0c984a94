"""Distances of the bands as images: what mutual information is compared with."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from monai_cwmi.measures.base import BandMeasure

Distance = Literal["l1", "l2", "ssim"]


class L1Distance(BandMeasure):
    r"""Mean absolute difference of the bands, :math:`\langle|b^p - b^y|\rangle`."""

    name: ClassVar[str] = "l1_distance"
    unit: ClassVar[str] = ""
    sign: ClassVar[int] = -1
    adds_up: ClassVar[bool] = True

    def values(self, prediction: Tensor, target: Tensor, dims: int) -> Tensor:
        """``(B, C)``, or ``(B, C, S)`` of slices."""
        return (prediction - target).abs().flatten(-dims - 1).mean(-1)


class L2Distance(BandMeasure):
    r"""Mean squared difference of the bands, :math:`\langle|b^p - b^y|^2\rangle`."""

    name: ClassVar[str] = "l2_distance"
    unit: ClassVar[str] = ""
    sign: ClassVar[int] = -1
    adds_up: ClassVar[bool] = True

    def values(self, prediction: Tensor, target: Tensor, dims: int) -> Tensor:
        """``(B, C)``, or ``(B, C, S)`` of slices."""
        return (prediction - target).abs().square().flatten(-dims - 1).mean(-1)


class SSIMDistance(BandMeasure):
    r"""One less the structural similarity of the bands' magnitudes, :math:`1 - \langle SSIM(|b^p|, |b^y|)\rangle`.

    In Gaussian windows of 11 pixels, or as many as a level has, for a range of values of 1. MONAI computes it in
    float32.

    References:
        Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 13(4),
        2004.
    """

    name: ClassVar[str] = "ssim_distance"
    unit: ClassVar[str] = ""
    sign: ClassVar[int] = -1
    adds_up: ClassVar[bool] = True

    def values(self, prediction: Tensor, target: Tensor, dims: int) -> Tensor:
        """``(B, C)``, or ``(B, C, S)`` of slices."""
        # `import monai_cwmi` does without MONAI's metrics, which take seconds to import.
        from monai.metrics.regression import compute_ssim_and_cs

        p, y = (bands.abs().flatten(0, -dims - 2) for bands in (prediction, target))  # (images, K, h, w)
        window = [min(11, size) for size in p.shape[2:]]
        likeness, _ = compute_ssim_and_cs(p, y, dims, kernel_size=window, kernel_sigma=[1.5] * dims)
        return (1 - likeness.unflatten(0, prediction.shape[: -dims - 1])).flatten(-dims - 1).mean(-1)


DISTANCES: dict[str, BandMeasure] = {"l1": L1Distance(), "l2": L2Distance(), "ssim": SSIMDistance()}
