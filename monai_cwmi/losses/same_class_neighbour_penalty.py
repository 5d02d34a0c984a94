"""Any loss of logits, computed from the worst logit of each voxel's neighbours of the same class."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_cwmi.losses.preparation import Preparation


class SCNPLoss(_Loss):
    r"""Same-class neighbour penalization: give a loss the worst logit among neighbours of the same class.

    .. math::
        L = loss(\tilde z, y), \qquad \tilde z_c(x) = \begin{cases}
            \min \{z_c(x') : x' \in N(x),\ y_c(x') = 1\} & y_c(x) = 1 \\
            \max \{z_c(x') : x' \in N(x),\ y_c(x') = 0\} & y_c(x) = 0
        \end{cases}

    with :math:`N(x)` the voxel itself and those around it. A gap in a thin object, or a bridge between two, thus costs
    as much as if all its neighbours were wrong too, and the gradient of them all flows to it. The rule holds for each
    channel by itself, after ``softmax`` as well: a voxel's logits may come from different neighbours. Ignored voxels
    are nobody's neighbours. A target between 0 and 1 counts as 1 if it is more than a half.

    Of noise, the worst logits are the target's mirror image. Losses that reward any dependence, whatever its sign, then
    reward noise: ``RMILoss`` does so a little, ``CWMILoss(gate=False)`` much. Dice, cross-entropy and ``CWMILoss()`` do
    not.

    Use it in training only. For the loss of the logits themselves besides, add the two.

    Args:
        loss: A loss of this package with ``sigmoid`` or ``softmax``, which stays as it is: with its reduction, and as
            the attribute ``loss``. MONAI's losses come in a :class:`monai_cwmi.losses.PreparedLoss`.
        kernel_size: Voxels along each axis of a neighbourhood, an odd number.

    Raises:
        ValueError: When the loss is no loss of this package or takes probabilities, or ``kernel_size`` is not odd.

    Example:
        >>> from monai.losses import DiceLoss
        >>> from monai_cwmi.losses import PreparedLoss
        >>> loss = SCNPLoss(PreparedLoss(DiceLoss(), softmax=True, to_onehot_y=True, lambda_ce=1.0))
        >>> logits = torch.randn(2, 3, 32, 32, requires_grad=True)
        >>> loss(logits, torch.randint(0, 3, (2, 1, 32, 32))).backward()

    References:
        J. M. Valverde et al., "Towards High-Quality Image Segmentation: Improving Topology Accuracy by Penalizing
        Neighbor Pixels", CVPR 2026, https://arxiv.org/abs/2603.18671.
    """

    def __init__(self, loss: _Loss, kernel_size: int = 3) -> None:
        _preparation(loss)  # which checks it
        super().__init__(reduction=loss.reduction)
        self.loss = loss
        self.kernel_size = _check_kernel_size(kernel_size)

    def forward(self, input: Tensor, target: Tensor, **kwargs: Any) -> Tensor:
        """Compute the loss.

        Args:
            input: ``(B, C, H, W)`` or ``(B, C, H, W, D)``, logits, of any floating-point dtype.
            target: What the loss takes: the same shape, or with one channel with ``to_onehot_y``; and behind it the
                maps that the loss needs, if any.
            kwargs: What else the loss takes, for example ``spacing``.

        Returns:
            What the loss returns.

        Raises:
            AssertionError: When the shapes do not fit.
            TypeError: When the input is not of floating point.
            ValueError: When images have not two or three axes, or values are not what the options say (see
                :class:`monai_cwmi.losses.preparation.Preparation`).
        """
        if input.ndim not in (4, 5):
            raise ValueError(f"SCNPLoss compares images (B, C, H, W) or (B, C, H, W, D), got {tuple(input.shape)}.")
        prepare = _preparation(self.loss)
        label = target[:, : 1 if prepare.to_onehot_y else input.shape[1]]  # without maps
        prepared = prepare(input, label)
        worst = worst_neighbours(prepared.logits, prepared.target, prepared.mask, self.kernel_size).to(input.dtype)
        if type(input) is not Tensor:
            from monai.utils import convert_to_dst_type  # at the top it would take seconds to import

            worst = convert_to_dst_type(worst, input)[0]  # the loss may need the affine of a MetaTensor
        loss: Tensor = self.loss(worst, target, **kwargs)
        return loss


def worst_neighbours(logits: Tensor, target: Tensor, mask: Tensor | None = None, kernel_size: int = 3) -> Tensor:
    """The lowest logit among neighbours of a channel's class, the highest among those of other classes.

    Args:
        logits: ``(B, C, H, W)`` or ``(B, C, H, W, D)``.
        target: The same shape, one-hot or binary.
        mask: ``(B, 1, spatial)``, true where voxels count; ``None`` where all do. Others are nobody's neighbours and
            keep their logits.
        kernel_size: Voxels along each axis of a neighbourhood, an odd number. It ends at the image's edge.

    Returns:
        Of the logits' shape and dtype. Each value is one of the logits, and its gradient is that logit's alone.

    Raises:
        ValueError: When ``kernel_size`` is not odd.

    Example:
        >>> logits = torch.tensor([3.0, -1.0, 2.0, 5.0, -2.0]).reshape(1, 1, 1, 5)
        >>> target = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0]).reshape(1, 1, 1, 5)
        >>> worst_neighbours(logits, target).flatten().tolist()
        [-1.0, -1.0, -1.0, 5.0, 5.0]
    """
    _check_kernel_size(kernel_size)
    inside = target > 0.5
    outside = ~inside
    if mask is not None:
        inside, outside = inside & mask, outside & mask
    lowest = -_highest(-logits, inside, kernel_size)
    worst = torch.where(inside, lowest, _highest(logits, outside, kernel_size))
    return worst if mask is None else torch.where(mask, worst, logits)


def _highest(values: Tensor, among: Tensor, kernel_size: int) -> Tensor:
    pool = F.max_pool2d if values.ndim == 4 else F.max_pool3d
    return pool(torch.where(among, values, -torch.inf), kernel_size, stride=1, padding=kernel_size // 2)


def _preparation(loss: _Loss) -> Preparation:
    prepare = getattr(loss, "prepare", None)
    if not isinstance(prepare, Preparation):
        raise ValueError(
            f"SCNPLoss needs a loss of this package that prepares logits, got {type(loss).__name__}: wrap MONAI's "
            "losses in PreparedLoss first."
        )
    if not (prepare.sigmoid or prepare.softmax):
        raise ValueError(f"SCNPLoss needs logits: give {type(loss).__name__} sigmoid=True or softmax=True.")
    return prepare


def _check_kernel_size(kernel_size: int) -> int:
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be an odd number from 1 on, got {kernel_size}.")
    return kernel_size
