"""What CWMI is without one of its parts: another comparison of the subbands, or a single level."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from monai.metrics.regression import compute_ssim_and_cs
from torch import Tensor

from monai_cwmi.bands.filters import PyramidSpec
from monai_cwmi.bands.pyramid import decompose_bands
from monai_cwmi.bands.volumes import View, mean_over_views, views
from monai_cwmi.losses.cwmi import CWMILoss

Distance = Literal["l1", "l2", "ssim"]


class SubbandDistanceLoss(CWMILoss):
    r""":class:`monai_cwmi.CWMILoss` with a distance of the subbands in place of their mutual information.

    .. math::
        L = \lambda_{CE}\, CE + \lambda_{MI} \sum_{n=1}^N D_n

    The bands :math:`b_k` of level ``n`` are scaled so that :math:`\frac1K \sum_k |b_k|^2`, in the mean over pixels, is
    the mean square of the image's part in that level, whatever ``n``, ``K`` and whether bands are complex. With
    :math:`\langle\cdot\rangle` the mean over pixels and orientations, of prediction ``p`` and target ``y``:

    * ``"l1"``: :math:`D_n = \langle|b^p - b^y|\rangle`.
    * ``"l2"``: :math:`D_n = \langle|b^p - b^y|^2\rangle`, the mean squared difference of ``p`` and ``y`` in that level.
    * ``"ssim"``: :math:`D_n = 1 - \langle SSIM(|b^p|, |b^y|)\rangle` in Gaussian windows of 11 pixels, or as many as a
      level has, for a range of values of 1.

    Likeness is rewarded in all three: a perfect prediction has :math:`D_n = 0`. Distances are small numbers (``"l1"``
    and ``"l2"`` of probabilities lie well below 1) where mutual information is tens of nats, so ``lambda_mi`` weighs
    something else here. Means over all slices are taken of volumes that are compared slice by slice: a false alarm in
    an empty slice has a distance. Where voxels are ignored, both images are 0.

    Args:
        include_background: As in :class:`monai_cwmi.CWMILoss`, and so all that follows.
        to_onehot_y: Whether the target holds class indices.
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives probabilities.
        distance: ``"l1"``, ``"l2"`` or ``"ssim"``.
        ignore_index: Voxels of this class do not count.
        slice_dims: How volumes are compared.
        spacing: Size of a voxel along each spatial axis.
        options: The others of :class:`monai_cwmi.CWMILoss`. ``lambda_mi`` weighs the distances; ``alpha`` has no part.

    Raises:
        ValueError: When the distance is none of these, and as :class:`monai_cwmi.CWMILoss` does.

    Example:
        >>> loss = SubbandDistanceLoss(distance="ssim", softmax=True, to_onehot_y=True)
        >>> logits = torch.randn(2, 3, 64, 64, requires_grad=True)
        >>> loss(logits, torch.randint(0, 3, (2, 1, 64, 64))).backward()

    References:
        Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 13(4), 2004
        (SSIM).
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        *,
        distance: Distance,
        ignore_index: int | None = None,
        slice_dims: Sequence[int] | None = (-1,),
        spacing: Sequence[float] | Literal["affine"] | None = None,
        **options: Any,
    ) -> None:
        activation = (sigmoid, softmax, other_act)
        options |= {"ignore_index": ignore_index, "slice_dims": slice_dims, "spacing": spacing}
        super().__init__(include_background, to_onehot_y, *activation, **options)
        if distance not in get_args(Distance):
            raise ValueError(f"distance must be one of {get_args(Distance)}, got {distance!r}.")
        self.distance = distance

    def _terms(
        self, prediction: Tensor, target: Tensor, mask: Tensor | None, spacing: Sequence[float] | None
    ) -> Tensor:
        if mask is not None:
            prediction = torch.where(mask, prediction, 0.0)  # as the target is
        pyramid = {name: value for name, value in self.options.items() if name not in ("alpha", "slice_dims")}
        looks = views(prediction.ndim - 2, self.options["slice_dims"], spacing, **pyramid)
        with torch.autocast(prediction.device.type, enabled=False):
            distances = mean_over_views([_distances(prediction, target, view, self.distance) for view in looks])
        return -distances.to(prediction.dtype)  # MONAI's SSIM is in float32


class SingleLevelCWMILoss(CWMILoss):
    r""":class:`monai_cwmi.CWMILoss` with the mutual information of one level alone.

    .. math::
        L = \lambda_{CE}\, CE - \lambda_{MI}\, I_n

    Images too small for the level have no such term.

    Args:
        include_background: As in :class:`monai_cwmi.CWMILoss`, and so all that follows.
        to_onehot_y: Whether the target holds class indices.
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives probabilities.
        level: ``n``, from 1, the finest.
        ignore_index: Voxels of this class do not count.
        slice_dims: How volumes are compared.
        spacing: Size of a voxel along each spatial axis.
        options: The others of :class:`monai_cwmi.CWMILoss`, but for ``num_levels``.

    Raises:
        TypeError: When ``num_levels`` is given.
        ValueError: When the level is smaller than 1, and as :class:`monai_cwmi.CWMILoss` does.

    Example:
        >>> loss = SingleLevelCWMILoss(level=2, softmax=True, to_onehot_y=True)
        >>> logits = torch.randn(2, 3, 64, 64, requires_grad=True)
        >>> loss(logits, torch.randint(0, 3, (2, 1, 64, 64))).backward()
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        *,
        level: int,
        ignore_index: int | None = None,
        slice_dims: Sequence[int] | None = (-1,),
        spacing: Sequence[float] | Literal["affine"] | None = None,
        **options: Any,
    ) -> None:
        if level < 1:
            raise ValueError(f"level must be at least 1, got {level}.")
        activation = (sigmoid, softmax, other_act)
        options |= {"ignore_index": ignore_index, "slice_dims": slice_dims, "spacing": spacing}
        super().__init__(include_background, to_onehot_y, *activation, num_levels=level, **options)
        self.level = level

    def _terms(
        self, prediction: Tensor, target: Tensor, mask: Tensor | None, spacing: Sequence[float] | None
    ) -> Tensor:
        return super()._terms(prediction, target, mask, spacing)[self.level - 1 :]  # (1, B, C)


def _distances(prediction: Tensor, target: Tensor, view: View, distance: Distance) -> Tensor:
    """Distances ``(N, B, C)`` of one view, whose levels are those that fit."""
    if view.slice_dim is not None:
        # Slices (B, C, S, H, W): the axes that are decomposed are the last ones.
        prediction, target = (volume.movedim(2 + view.slice_dim, 2) for volume in (prediction, target))
    bands = zip(_scaled_bands(prediction, view.spec), _scaled_bands(target, view.spec), strict=True)
    values = [_distance(p, y, distance, len(view.spec.spacing)) for p, y in bands]
    if not values:
        return prediction.flatten(2)[..., :0].movedim(-1, 0)  # (0, B, C), still a function of the prediction
    return torch.stack(values)


def _scaled_bands(image: Tensor, spec: PyramidSpec) -> list[Tensor]:
    """Bands ``(..., K, h, w)``, the mean square of which is that of the image's part in their level."""
    dims = len(spec.spacing)
    pixels = math.prod(image.shape[-dims:])
    # An analytic band holds twice the energy of the real one. Bands are sampled on a coarser grid, and their sums of
    # squares kept the larger for it.
    energy = spec.num_orientations / (2 if spec.is_complex else 1)
    return [
        band * math.sqrt(energy * math.prod(band.shape[-dims:]) / pixels) / 2 ** (dims * level / 2)
        for level, band in enumerate(decompose_bands(image, spec))
    ]


def _distance(prediction: Tensor, target: Tensor, distance: Distance, dims: int) -> Tensor:
    """Distance ``(B, C)`` of bands ``(B, C, K, h, w)``, or ``(B, C, S, K, h, w)`` of slices."""
    if distance == "ssim":
        p, y = (bands.abs().flatten(0, -dims - 2) for bands in (prediction, target))  # (images, K, h, w)
        window = [min(11, size) for size in p.shape[2:]]
        likeness, _ = compute_ssim_and_cs(p, y, dims, kernel_size=window, kernel_sigma=[1.5] * dims)
        values = 1 - likeness.unflatten(0, prediction.shape[: -dims - 1])
    else:
        values = (prediction - target).abs()
    return (values.square() if distance == "l2" else values).flatten(2).mean(-1)
