"""The Complex Wavelet Mutual Information loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from monai.utils import LossReduction
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_cwmi.filters import FrequencyGrid, check_pyramid_options
from monai_cwmi.functional import check_alpha, mutual_information
from monai_cwmi.losses.cross_entropy import cross_entropy
from monai_cwmi.losses.preparation import Preparation


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
        to_onehot_y: Whether the target holds class indices ``(B, 1, H, W)``.
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives probabilities, for example a sparsemax.
        num_levels: ``N``, levels of the pyramid. Images with no more than ``2**n`` pixels along their shorter side have
            no level ``n``; the levels that fit are used (none below three pixels: cross-entropy alone remains).
        num_orientations: ``K``, at least 2. The paper uses 4 and 12.
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
        num_orientations: int = 4,
        is_complex: bool = True,
        lambda_ce: float = 0.9,
        lambda_mi: float = 1.0,
        weight: Sequence[float] | Tensor | Literal["balanced"] | None = None,
        ignore_index: int | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
        frequency_grid: FrequencyGrid = "centred",
        alpha: float = 5e-4,
    ) -> None:
        super().__init__(reduction=LossReduction(reduction).value)
        check_pyramid_options(num_levels, num_orientations, frequency_grid)
        for name, value in (("lambda_ce", lambda_ce), ("lambda_mi", lambda_mi)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must not be negative, and finite, got {value}.")
        check_alpha(alpha)
        self.prepare = Preparation(include_background, to_onehot_y, sigmoid, softmax, other_act, ignore_index)
        self.num_levels = num_levels
        self.num_orientations = num_orientations
        self.is_complex = is_complex
        self.lambda_ce = lambda_ce
        self.lambda_mi = lambda_mi
        self.frequency_grid: FrequencyGrid = frequency_grid
        self.alpha = alpha
        self.balanced = isinstance(weight, str)
        self.class_weight: Tensor | None
        self.register_buffer("class_weight", _class_weight(weight), persistent=False)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            input: ``(B, C, H, W)``, logits or probabilities, of any floating-point dtype.
            target: ``(B, C, H, W)``, or ``(B, 1, H, W)`` with ``to_onehot_y``; any dtype. No gradient flows to it.

        Returns:
            A number, or ``(B, C)`` with ``reduction="none"`` (``C - 1`` channels without the background), in float32,
            or float64 for float64 input. It is NaN where the prediction is.

        Raises:
            AssertionError: When the shapes do not fit.
            TypeError: When the input is not of floating point.
            ValueError: When images are not two-dimensional, ``weight`` does not have ``C`` values, or values are not
                what the options say (see :class:`monai_cwmi.losses.preparation.Preparation`).
        """
        if input.ndim != 4:
            raise ValueError(f"CWMILoss compares two-dimensional images (B, C, H, W), got {tuple(input.shape)}.")
        prepared = self.prepare(input, target)
        probabilities, targets = (t[:, prepared.compared] for t in (prepared.probabilities, prepared.target))
        terms = []  # (B, C) each
        if self.lambda_ce:
            entropy = cross_entropy(
                prepared,
                from_sigmoid=self.prepare.sigmoid,
                weight=self.class_weight,
                balanced=self.balanced,
                resolution=torch.finfo(input.dtype).eps,
            )  # (B, 1) or (B, C)
            entropy = entropy.expand_as(targets[:, :, 0, 0]) if prepared.is_exclusive else entropy[:, prepared.compared]
            terms.append(self.lambda_ce * entropy)
        if self.lambda_mi:
            information = self._information(probabilities, targets, prepared.mask)  # (N, B, C)
            terms.append(-self.lambda_mi * information.sum(0))
        # Where both lambdas are 0, the loss is still a function of the input.
        loss = torch.stack(terms).sum(0) if terms else probabilities.flatten(2)[..., 0] * 0

        if self.reduction == LossReduction.MEAN.value:
            return loss.mean()
        return loss.sum() if self.reduction == LossReduction.SUM.value else loss

    def _information(self, prediction: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
        return mutual_information(
            prediction,
            target,
            num_levels=self.num_levels,
            num_orientations=self.num_orientations,
            is_complex=self.is_complex,
            frequency_grid=self.frequency_grid,
            alpha=self.alpha,
            mask=mask,
        )


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
