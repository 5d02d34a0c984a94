"""The Complex Wavelet Mutual Information loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from monai_cwmi.bands.spec import BandOptions, FrequencyGrid
from monai_cwmi.losses.band_loss import BandLoss, ClassWeight, Spacing
from monai_cwmi.losses.preparation import Preparation
from monai_cwmi.losses.terms import check_weights
from monai_cwmi.measures import AlignedInformation, ResidualError


class CWMILoss(BandLoss):
    r"""Cross-entropy and Dice, and what prediction and target have in common in a complex steerable pyramid.

    .. math::
        L = \lambda_{CE}\, CE + \lambda_{Dice}\, Dice - \lambda_{MI} \frac1N \sum_{n=1}^N \bar I_n
            + \lambda_{res} \frac12 (s_{high} + s_{low})

    with :math:`\bar I_n` the mutual information of the bands of level ``n`` for each orientation
    (:class:`monai_cwmi.measures.AlignedInformation`) and :math:`s` the errors of the two residual bands
    (:class:`monai_cwmi.measures.ResidualError`), which no level sees: single pixels, the mean, coarse shades. All are
    means over batch and channels. The information compares structure at every scale and orientation and keeps thin
    boundaries, small instances and topology. It counts at the levels at which prediction and target correlate
    positively, so no warm-up is needed.

    The weights are plain attributes that a scheduler may set between steps. ``terms()`` gives the terms by name,
    ``weights`` their weights; see :class:`monai_cwmi.losses.band_loss.BandLoss`. The loss is negative when the
    information outweighs the errors.

    The published loss is ``CWMILoss(lambda_ce=0.9, lambda_dice=0, lambda_mi=16, lambda_residual=0, weight="balanced",
    levels=[1, 2, 3, 4], gate=False)``: the sum over four levels of four orientations. It must train its first epoch
    with ``lambda_mi = 0``.

    Cross-entropy is that of exclusive classes after ``softmax`` over several channels, else that of each channel by
    itself (sigmoid, probabilities, or another activation). It is taken from logits after ``softmax`` or ``sigmoid``.

    Args:
        include_background: If False, channel 0 is left out; only the cross-entropy after ``softmax`` uses all channels
            all the same. Two softmax channels have the same information, and False halves its cost.
        to_onehot_y: Whether the target holds class indices ``(B, 1, spatial)``.
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives probabilities, for example a sparsemax.
        num_levels: ``N``, levels of the pyramid. Images (or slices) with no more than ``2**n`` pixels along their
            shorter side, in the finest spacing, have no level ``n``; see ``levels``.
        num_orientations: ``K``, at least 2 (default: 4). The paper uses 4 and 12. For volumes as a whole 3 or 6
            (default).
        is_complex: Complex pyramid (CWMI) or real one (CWMI-Real).
        lambda_ce: Weight of the cross-entropy.
        lambda_dice: Weight of the soft Dice loss, that of each image and class, smoothed by one voxel.
        lambda_mi: Weight of the mutual information, the mean over levels and orientations in nats. What it means hardly
            depends on their numbers, nor on how volumes are compared.
        lambda_residual: Weight of the errors of the high-pass and the low-pass band.
        weight: Class weights of the cross-entropy: one value for each channel, the background's included; or
            ``"balanced"``, the voxels of the image's largest class over the class's own, the paper's balance; or
            ``"sqrt_balanced"``, the square root of these; or ``None``. Without softmax, values weigh the foreground of
            their channel (as ``pos_weight`` of ``BCEWithLogitsLoss``). The mean over voxels is not divided by the
            weights.
        ignore_index: Voxels of this class, or with this label in any channel, count in no term. After ``softmax``,
            an index that is no channel of a one-hot target stands for voxels without any class too.
        reduction: ``"mean"`` over batch and channels, ``"sum"``, or ``"none"``. The cross-entropy of exclusive classes
            is one number for an image; it counts in each of its channels.
        frequency_grid: ``"centred"``, or ``"published"`` for the grid of the paper's released code, one bin off.
        alpha: Ridge of the regression of target on prediction; what is smaller does not count as information.
        slice_dims: How volumes ``(B, C, H, W, D)`` are compared. Spatial axes: slice by slice along each of them, as
            plane images. ``(-1,)`` takes axial slices of volumes in RAS orientation (MONAI's ``Orientationd``), and
            ``(0, 1, 2)`` the mean of all three. ``None``: the volume as a whole, with bands in space. Slices in which a
            class is absent, or alone, do not count. Plane images take no notice of it.
        spacing: Size of a voxel along each spatial axis, in millimetres or any unit, so that a level means the same
            size along every axis. ``"affine"`` takes it from the affine of the target, or else of the input, which must
            be a MetaTensor (of a plane image with the affine of a volume, from its first two axes). ``None`` takes all
            axes as equal. Each spacing needs tables of weights of its own, which take time to make: where data have
            many, or random rotation and scaling write new ones into the affine, resample first (``Spacingd``) and give
            its ``pixdim`` here. Heads of deep supervision are taken to be coarser by one factor along all axes.
        levels: Which of the ``num_levels`` levels count, from 1, the finest; those that fit are taken. Default: those
            with 2.5 independent coefficients for each band, as with fewer, unrelated images have much information about
            each other. Heads of deep supervision below 10 pixels or so have none: cross-entropy and Dice remain.
        gate: Whether a level's information counts only where its bands correlate positively.

    Raises:
        TypeError: When ``other_act`` is not callable.
        ValueError: When more than one activation is asked for, or an option is out of its range.

    Example:
        >>> import torch
        >>> loss = CWMILoss(softmax=True, to_onehot_y=True)
        >>> logits = torch.randn(2, 3, 64, 64, requires_grad=True)
        >>> labels = torch.randint(0, 3, (2, 1, 64, 64))
        >>> loss(logits, labels).backward()

    References:
        R. Lu, "Complex Wavelet Mutual Information Loss: A Multi-Scale Loss Function for Semantic Segmentation",
        ICML 2025, https://arxiv.org/abs/2502.00563.
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
        lambda_dice: float = 1.0,
        lambda_mi: float = 0.25,
        lambda_residual: float = 0.3,
        weight: ClassWeight = "sqrt_balanced",
        ignore_index: int | None = None,
        reduction: str = "mean",
        frequency_grid: FrequencyGrid = "centred",
        alpha: float = 5e-4,
        slice_dims: Sequence[int] | None = (-1,),
        spacing: Spacing = None,
        levels: Sequence[int] | None = None,
        gate: bool = True,
    ) -> None:
        has_residuals = frequency_grid == "centred"
        if lambda_residual and not has_residuals:
            raise ValueError("The published frequency_grid has no residual bands: set lambda_residual to 0.")
        super().__init__(
            Preparation(include_background, to_onehot_y, sigmoid, softmax, other_act, ignore_index),
            BandOptions(
                num_levels, num_orientations, is_complex, frequency_grid, slice_dims, only_comparable=levels is None
            ),
            {"lambda_mi": AlignedInformation(alpha, gate)}
            | ({"lambda_residual": ResidualError()} if has_residuals else {}),
            class_weight=weight,
            reduction=reduction,
            spacing=spacing,
            levels=levels,
        )
        check_weights(
            lambda_ce=lambda_ce, lambda_dice=lambda_dice, lambda_mi=lambda_mi, lambda_residual=lambda_residual
        )
        self.lambda_ce = lambda_ce
        self.lambda_dice = lambda_dice
        self.lambda_mi = lambda_mi
        self.lambda_residual = lambda_residual
