"""Any loss that compares probabilities, on the preparation that this package's losses share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_cwmi.losses.preparation import Preparation, Prepared
from monai_cwmi.losses.terms import check_weights, compared_entropy, compared_pair, reduced

# What the wrapped loss must leave alone, and the value that leaves it alone.
_OURS = {
    "include_background": True,
    "to_onehot_y": False,
    "sigmoid": False,
    "softmax": False,
    "use_softmax": False,
    "other_act": None,
    "ignore_index": None,
}
# Log-odds that stand for a probability of 0: its sigmoid vanishes, and so does its product with 100.
_IMPOSSIBLE = -100.0


class PreparedLoss(_Loss):
    r"""Hand a loss probabilities and one-hot targets of the classes to compare, with ignored voxels left out.

    .. math::
        L = loss(p, y) + \lambda_{CE}\, CE

    Activation, one-hot target, the choice of classes and ignored voxels become what they are in all losses of this
    package, whether the loss knows them or not; MONAI's soft clDice, for one, does not know ``ignore_index``. It is
    computed in float32. Ignored voxels are 0 in prediction and target: they add nothing to the sums of Dice and its
    kin, and a loss that is a mean over voxels counts them as voxels without a cost.

    Args:
        loss: A loss of probabilities and targets ``(B, C, spatial)``, with none of the options below set, for example
            ``DiceLoss()``, ``TverskyLoss()`` or ``SoftDiceclDiceLoss()``.
        include_background: If False, the loss does not see channel 0; only the cross-entropy after ``softmax`` uses all
            channels all the same.
        to_onehot_y: Whether the target holds class indices ``(B, 1, spatial)``.
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation that gives probabilities.
        takes_logits: Whether the loss applies a sigmoid itself, as ``FocalLoss``. It is then given the log-odds
            :math:`\log p - \log(1 - p)` of each class in place of its probability. After ``softmax`` over two channels
            the foreground's are the difference of the two logits. (``FocalLoss`` with its own softmax would leave the
            background out first, and so be zero with one channel left.)
        lambda_ce: Weight of the cross-entropy, which is that of exclusive classes after ``softmax``, else the mean over
            the classes to compare. ``DiceLoss()`` with 1 is the usual sum of Dice and cross-entropy.
        ignore_index: Voxels of this class, or with this label in any channel, do not count.

    Raises:
        TypeError: When ``other_act`` is not callable.
        ValueError: When more than one activation is asked for, ``lambda_ce`` is negative or not finite or the
            cross-entropy cannot be reduced as the loss is, or the loss has options set that belong here.

    Example:
        >>> from monai.losses import SoftDiceclDiceLoss
        >>> loss = PreparedLoss(SoftDiceclDiceLoss(), softmax=True, to_onehot_y=True, ignore_index=255)
        >>> labels = torch.randint(0, 3, (2, 1, 32, 32))
        >>> labels[..., :4] = 255
        >>> loss(torch.randn(2, 3, 32, 32, requires_grad=True), labels).backward()
    """

    def __init__(
        self,
        loss: _Loss,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        takes_logits: bool = False,
        lambda_ce: float = 0.0,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(reduction=loss.reduction)
        for name, value in _OURS.items():
            if any(getattr(module, name, value) != value for module in loss.modules()):
                raise ValueError(f"give {name} to PreparedLoss, not to the {type(loss).__name__} that it prepares for.")
        check_weights(lambda_ce=lambda_ce)
        if lambda_ce and self.reduction == "none":
            raise ValueError("lambda_ce needs a loss that is reduced to a number: its reduction must not be 'none'.")
        self.loss = loss
        self.prepare = Preparation(include_background, to_onehot_y, sigmoid, softmax, other_act, ignore_index)
        self.takes_logits = takes_logits
        self.lambda_ce = lambda_ce

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            input: ``(B, C, spatial)``, logits or probabilities.
            target: The same shape, or with one channel with ``to_onehot_y``.

        Returns:
            What the loss returns, plus the cross-entropy.

        Raises:
            AssertionError: When the shapes do not fit.
            TypeError: When the input is not of floating point.
            ValueError: When values are not what the options say (see
                :class:`monai_cwmi.losses.preparation.Preparation`).
        """
        prepared = self.prepare(input, target)
        probabilities, targets = compared_pair(prepared)
        if self.takes_logits:
            probabilities = _log_odds(prepared)
        with torch.autocast(input.device.type, enabled=False):
            loss: Tensor = self.loss(probabilities, targets)
        if self.lambda_ce:
            entropy = compared_entropy(prepared)  # (B, 1) or (B, C)
            loss = loss + self.lambda_ce * reduced(entropy, self.reduction)
        return loss


def _log_odds(prepared: Prepared) -> Tensor:
    """Log-odds of the channels to compare, from the logits wherever there are any."""
    logits = prepared.logits
    if prepared.is_exclusive:
        # Against those of all other classes together: nothing cancels, however sure a prediction is.
        others = [torch.cat((logits[:, :c], logits[:, c + 1 :]), 1).logsumexp(1) for c in range(logits.shape[1])]
        odds = logits - torch.stack(others, 1)
    else:
        # Not Tensor.logit(eps), which has no gradient where it clamps.
        likely, unlikely = (p + prepared.resolution for p in (prepared.probabilities, 1 - prepared.probabilities))
        odds = logits if prepared.from_sigmoid else likely.log() - unlikely.log()
    odds = odds[:, prepared.compared]
    return odds if prepared.mask is None else torch.where(prepared.mask, odds, _IMPOSSIBLE)
