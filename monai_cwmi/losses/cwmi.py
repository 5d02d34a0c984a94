"""The Complex Wavelet Mutual Information loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from monai.utils import LossReduction
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_cwmi.bands.filters import FrequencyGrid
from monai_cwmi.bands.volumes import views
from monai_cwmi.functional import check_alpha, mutual_information
from monai_cwmi.losses.preparation import Preparation, Prepared, voxel_sizes
from monai_cwmi.losses.terms import compared_entropy, reduced


class LossTerms(NamedTuple):
    """What :class:`CWMILoss` is made of, before its weights: to watch, to plot, to differentiate one by one.

    Attributes:
        cross_entropy: ``(B, 1)`` of exclusive classes, else ``(B, C)``, in nats a voxel.
        information: ``(N, B, C)`` in nats; NaN at a level that an image's size and spacing have no room for while
            another's of the batch have.
    """

    cross_entropy: Tensor
    information: Tensor


class CWMILoss(_Loss):
    r"""Cross-entropy less the mutual information of prediction and target in a complex steerable pyramid.

    .. math::
        L = \lambda_{CE}\, CE - \lambda_{MI} \sum_{n=1}^N I_n

    with :math:`I_n` of :func:`monai_cwmi.functional.mutual_information`, the mean over batch and channels. The mutual
    information compares structure at every scale and orientation and keeps thin boundaries, small instances and
    topology. It is blind to ``p -> 1 - p``, so cross-entropy decides which side is foreground: keep
    ``lambda_ce`` positive, and train the first epoch with ``lambda_mi = 0``, as the paper does. Both are plain
    attributes that a scheduler may set between steps. The loss is negative when the information outweighs the
    cross-entropy.

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
            shorter side, in the finest spacing, have no level ``n``; the levels that fit are used (none below three
            pixels: cross-entropy alone remains).
        num_orientations: ``K``, at least 2 (default: 4). The paper uses 4 and 12. For volumes as a whole 3 or 6
            (default).
        is_complex: Complex pyramid (CWMI) or real one (CWMI-Real).
        lambda_ce: Weight of the cross-entropy.
        lambda_mi: Weight of the mutual information.
        weight: Class weights of the cross-entropy: one value for each channel, the background's included; or
            ``"balanced"`` for the paper's balance, from each image's own class counts; or ``None``. Without softmax,
            values weigh the foreground of their channel (as ``pos_weight`` of ``BCEWithLogitsLoss``). The mean over
            voxels is not divided by the weights.
        ignore_index: Voxels of this class, or with this label in any channel, count in neither term. After ``softmax``,
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

    Raises:
        TypeError: When ``other_act`` is not callable.
        ValueError: When more than one activation is asked for, or an option is out of its range.

    Example:
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
        lambda_ce: float = 0.9,
        lambda_mi: float = 1.0,
        weight: Sequence[float] | Tensor | Literal["balanced"] | None = None,
        ignore_index: int | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
        frequency_grid: FrequencyGrid = "centred",
        alpha: float = 5e-4,
        slice_dims: Sequence[int] | None = (-1,),
        spacing: Sequence[float] | Literal["affine"] | None = None,
    ) -> None:
        super().__init__(reduction=LossReduction(reduction).value)
        pyramid: dict[str, Any] = {
            "num_levels": num_levels,
            "num_orientations": num_orientations,
            "is_complex": is_complex,
        }
        pyramid["frequency_grid"] = frequency_grid
        views(2 if slice_dims is None else 3, slice_dims, None, **pyramid)  # which checks them
        for name, value in (("lambda_ce", lambda_ce), ("lambda_mi", lambda_mi)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must not be negative, and finite, got {value}.")
        check_alpha(alpha)
        self.prepare = Preparation(include_background, to_onehot_y, sigmoid, softmax, other_act, ignore_index)
        self.lambda_ce = lambda_ce
        self.lambda_mi = lambda_mi
        self.options = pyramid | {"alpha": alpha, "slice_dims": slice_dims}
        self.spacing = spacing
        self.balanced = isinstance(weight, str)
        self.class_weight: Tensor | None
        self.register_buffer("class_weight", _class_weight(weight), persistent=False)

    def forward(
        self, input: Tensor, target: Tensor, spacing: Sequence[float] | Literal["affine"] | None = None
    ) -> Tensor:
        """Compute the loss.

        Args:
            input: ``(B, C, H, W)`` or ``(B, C, H, W, D)``, logits or probabilities, of any floating-point dtype.
            target: The same shape, or with one channel with ``to_onehot_y``; any dtype. No gradient flows to it.
            spacing: In place of that of the constructor, for this batch.

        Returns:
            A number, or ``(B, C)`` with ``reduction="none"`` (``C - 1`` channels without the background), in float32,
            or float64 for float64 input. It is NaN where the prediction is.

        Raises:
            AssertionError: When the shapes do not fit.
            TypeError: When the input is not of floating point.
            ValueError: When images have not two or three axes, ``spacing`` not a number for each of them, ``weight``
                not ``C`` values, or values are not what the options say (see
                :class:`monai_cwmi.losses.preparation.Preparation`).
        """
        spacings = self._spacings(input, target, spacing)
        prepared = self.prepare(input, target)
        shape = prepared.target[:, prepared.compared].shape[:2]  # (B, C)
        terms = []  # (B, C) each
        if self.lambda_ce:
            terms.append(self.lambda_ce * self._entropy(prepared, input.dtype).expand(shape))
        if self.lambda_mi:
            information = [levels.sum(0) for levels in self._information(prepared, spacings)]
            terms.append(-self.lambda_mi * torch.cat(information))
        # Where both lambdas are 0, the loss is still a function of the input.
        loss = (
            torch.stack(terms).sum(0) if terms else prepared.probabilities[:, prepared.compared].flatten(2)[..., 0] * 0
        )
        return reduced(loss, self.reduction)

    def terms(
        self, input: Tensor, target: Tensor, spacing: Sequence[float] | Literal["affine"] | None = None
    ) -> LossTerms:
        """Compute cross-entropy and each level's information by themselves, whatever their weights are.

        The loss is the mean over batch and channels of ``lambda_ce`` times the first less ``lambda_mi`` times the sum
        over the levels of the second.

        Args:
            input: As in :meth:`forward`, and so the rest.
            target: Target.
            spacing: Size of a voxel.

        Returns:
            Both, each differentiable in the input.

        Raises:
            AssertionError: As :meth:`forward`, and so the rest.
            TypeError: As above.
            ValueError: As above.

        Example:
            >>> logits, labels = torch.randn(2, 3, 64, 64), torch.randint(0, 3, (2, 1, 64, 64))
            >>> cross_entropy, information = CWMILoss(softmax=True, to_onehot_y=True).terms(logits, labels)
            >>> cross_entropy.shape, information.shape
            (torch.Size([2, 1]), torch.Size([4, 2, 3]))
        """
        spacings = self._spacings(input, target, spacing)
        prepared = self.prepare(input, target)
        levels = self._information(prepared, spacings)
        most = max(len(image) for image in levels)
        padded = [F.pad(image, (0, 0, 0, 0, 0, most - len(image)), value=math.nan) for image in levels]
        return LossTerms(self._entropy(prepared, input.dtype), torch.cat(padded, dim=1))

    def _spacings(
        self, input: Tensor, target: Tensor, spacing: Sequence[float] | Literal["affine"] | None
    ) -> list[Sequence[float] | None]:
        if input.ndim not in (4, 5):
            raise ValueError(f"CWMILoss compares images (B, C, H, W) or (B, C, H, W, D), got {tuple(input.shape)}.")
        return voxel_sizes(input, target, self.spacing if spacing is None else spacing)

    def _entropy(self, prepared: Prepared, dtype: torch.dtype) -> Tensor:
        return compared_entropy(prepared, self.prepare, dtype, weight=self.class_weight, balanced=self.balanced)

    def _information(self, prepared: Prepared, spacings: Sequence[Sequence[float] | None]) -> list[Tensor]:
        """Of all images at once, ``(N, B, C)``, or where each has a spacing of its own, of one after another."""
        prediction, target = (t[:, prepared.compared] for t in (prepared.probabilities, prepared.target))
        if len(spacings) == 1:
            return [self._terms(prediction, target, prepared.mask, spacings[0])]
        masks = [None] * len(spacings) if prepared.mask is None else prepared.mask.split(1)
        images = zip(prediction.split(1), target.split(1), masks, spacings, strict=True)
        return [self._terms(*image) for image in images]

    def _terms(
        self, prediction: Tensor, target: Tensor, mask: Tensor | None, spacing: Sequence[float] | None
    ) -> Tensor:
        return mutual_information(prediction, target, mask=mask, spacing=spacing, **self.options)  # (N, B, C)


def _class_weight(weight: Sequence[float] | Tensor | str | None) -> Tensor | None:
    if isinstance(weight, str):
        if weight != "balanced":
            raise ValueError(f'weight must be values for each channel, "balanced" or None, got {weight!r}.')
        return None
    if weight is None:
        return None
    values = torch.as_tensor(weight, dtype=torch.float32).detach().clone().reshape(-1)
    if not bool(((values >= 0) & values.isfinite()).all()):
        raise ValueError(f"weight must not be negative, and finite, got {values.tolist()}.")
    return values
