"""What CWMI is with another comparison of the subbands: a distance in place of their mutual information."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from monai_cwmi.bands.spec import BandOptions, FrequencyGrid
from monai_cwmi.losses.band_loss import BandLoss, ClassWeight, Spacing
from monai_cwmi.losses.preparation import Preparation
from monai_cwmi.losses.terms import check_weights
from monai_cwmi.measures.distances import DISTANCES, Distance


class SubbandDistanceLoss(BandLoss):
    r""":class:`monai_cwmi.CWMILoss` with a distance of the subbands in place of their mutual information.

    .. math::
        L = \lambda_{CE}\, CE + \lambda_{Dice}\, Dice + \lambda_D \sum_{n=1}^N D_n

    The bands :math:`b_k` of level ``n`` are scaled so that :math:`\frac1K \sum_k |b_k|^2`, in the mean over pixels, is
    the mean square of the image's part in that level, whatever ``n``, ``K`` and whether bands are complex. With
    :math:`\langle\cdot\rangle` the mean over pixels and orientations, of prediction ``p`` and target ``y``:

    * ``"l1"``: :math:`D_n = \langle|b^p - b^y|\rangle`.
    * ``"l2"``: :math:`D_n = \langle|b^p - b^y|^2\rangle`, the mean squared difference of ``p`` and ``y`` in that level.
    * ``"ssim"``: :math:`D_n = 1 - \langle SSIM(|b^p|, |b^y|)\rangle` in Gaussian windows of 11 pixels, or as many as a
      level has, for a range of values of 1.

    Likeness is rewarded in all three: a perfect prediction has :math:`D_n = 0`. Volumes that are compared slice by
    slice have the mean over all slices: a false alarm in an empty slice has a distance. Ignored voxels are 0 in both
    images.

    Args:
        include_background: As in :class:`monai_cwmi.CWMILoss`, and so all that follows.
        to_onehot_y: Whether the target holds class indices.
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives probabilities.
        num_levels: ``N``.
        num_orientations: ``K``.
        is_complex: Complex pyramid or real one.
        lambda_ce: Weight of the cross-entropy.
        lambda_dice: Weight of the Dice loss.
        lambda_distance: Weight of the distances. ``"l1"`` and ``"l2"`` of probabilities lie well below 1.
        weight: Class weights of the cross-entropy.
        ignore_index: Voxels of this class do not count.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        frequency_grid: ``"centred"`` or ``"published"``.
        slice_dims: How volumes are compared.
        spacing: Size of a voxel along each spatial axis.
        levels: Which levels count.
        distance: ``"l1"``, ``"l2"`` or ``"ssim"``.

    Raises:
        ValueError: When the distance is none of these, and as :class:`monai_cwmi.CWMILoss` does.

    Example:
        >>> import torch
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
        num_levels: int = 4,
        num_orientations: int | None = None,
        is_complex: bool = True,
        lambda_ce: float = 1.0,
        lambda_dice: float = 0.0,
        lambda_distance: float = 1.0,
        weight: ClassWeight = None,
        ignore_index: int | None = None,
        reduction: str = "mean",
        frequency_grid: FrequencyGrid = "centred",
        slice_dims: Sequence[int] | None = (-1,),
        spacing: Spacing = None,
        levels: Sequence[int] | None = None,
        *,
        distance: Distance,
    ) -> None:
        if distance not in DISTANCES:
            raise ValueError(f"distance must be one of {tuple(DISTANCES)}, got {distance!r}.")
        super().__init__(
            Preparation(include_background, to_onehot_y, sigmoid, softmax, other_act, ignore_index),
            BandOptions(num_levels, num_orientations, is_complex, frequency_grid, slice_dims),
            {"lambda_distance": DISTANCES[distance]},
            class_weight=weight,
            reduction=reduction,
            spacing=spacing,
            levels=levels,
        )
        check_weights(lambda_ce=lambda_ce, lambda_dice=lambda_dice, lambda_distance=lambda_distance)
        self.lambda_ce = lambda_ce
        self.lambda_dice = lambda_dice
        self.lambda_distance = lambda_distance
