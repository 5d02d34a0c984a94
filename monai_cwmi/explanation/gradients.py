"""Where each term of the loss pulls."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from monai_cwmi.losses import CWMILoss

FLOOR = 0.01  # what probabilities are kept away from 0


class Pulls(NamedTuple):
    """What a small rise of a probability would do: positive where the term asks for more of the class, in nats.

    Attributes:
        cross_entropy: ``(C, spatial)``, minus the gradient of the cross-entropy.
        information: ``(N, C, spatial)``, the gradient of each level's information, the mean over the classes.
    """

    cross_entropy: Tensor
    information: Tensor


def compute_pulls(probabilities: Tensor, target: Tensor, loss: CWMILoss | None = None) -> Pulls:
    """Differentiate each term of the loss in the probabilities.

    Probabilities ``p`` are taken as ``(1 - C f) p + f`` with ``f = 0.01``: in those of a label map, 0 and 1, the
    cross-entropy of a wrong pixel would be infinite. Probabilities add up to 1, so the gradient is the one along that
    plane: what is asked for one class is taken from the others in equal parts, and the pulls of a voxel add up to 0.

    Args:
        probabilities: ``(C, spatial)``, which add up to 1.
        target: One-hot, ``(C, spatial)``.
        loss: Whose terms, with ``softmax``. Default: ``CWMILoss(softmax=True)``.

    Example:
        >>> target = torch.zeros(2, 32, 32)
        >>> target[1, 8:24, 8:24] = 1
        >>> target[0] = 1 - target[1]
        >>> pulls = compute_pulls(torch.full_like(target, 0.5), target)
        >>> bool((pulls.cross_entropy[1] > 0)[8:24, 8:24].all())  # more foreground where there is some
        True
    """
    classes = len(probabilities)
    floored = ((1 - classes * FLOOR) * probabilities + FLOOR)[None].requires_grad_()  # (1, C, spatial)
    # The softmax of a logarithm is the probability again, divided by the sum over the classes.
    terms = (loss or CWMILoss(softmax=True)).terms(floored.log(), target[None])
    levels = [level.mean() for level in terms.information[:, 0]]
    gradients = []
    for term in (-terms.cross_entropy.mean(), *levels):
        (gradient,) = torch.autograd.grad(term, floored, retain_graph=True)
        gradients.append((gradient - gradient.mean(1, keepdim=True))[0])  # onto the plane of a sum that stays
    information = torch.stack(gradients[1:]) if levels else probabilities.new_zeros(0, *probabilities.shape)
    return Pulls(gradients[0], information)
