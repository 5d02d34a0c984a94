"""The gradient of each term of a loss over an image."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from monai_cwmi.losses import CWMILoss
from monai_cwmi.losses.band_loss import BandLoss

FLOOR = 0.01  # what probabilities are kept away from 0


class TermGradient(NamedTuple):
    """What a small rise of a probability would gain: positive where the term asks for more of the class.

    Attributes:
        term: Name of the term, as in :meth:`monai_cwmi.losses.band_loss.BandLoss.terms`.
        level: Level of the pyramid, from 1; ``None`` for a term of the image as a whole.
        values: ``(C, spatial)``, the gradient towards a better value of the term, the mean over the classes.
    """

    term: str
    level: int | None
    values: Tensor


def term_words(term: str) -> str:
    """A term's name for people.

    Example:
        >>> term_words("mutual_information"), term_words("cross_entropy")
        ('mutual information', 'cross-entropy')
    """
    return term.replace("cross_entropy", "cross-entropy").replace("_", " ")


def compute_gradients(probabilities: Tensor, target: Tensor, loss: BandLoss | None = None) -> list[TermGradient]:
    """Differentiate each term of a loss in the probabilities.

    Probabilities ``p`` are taken as ``(1 - C f) p + f`` with ``f = 0.01``: in those of a label map, 0 and 1, the
    cross-entropy of a wrong pixel would be infinite. Probabilities add up to 1, so the gradient is the one along that
    plane: what is asked for one class is taken from the others in equal parts, and the gradients of a voxel add up to
    0.

    Args:
        probabilities: ``(C, spatial)``, which add up to 1.
        target: One-hot, ``(C, spatial)``.
        loss: Whose terms, with ``softmax``. Default: ``CWMILoss(softmax=True)``.

    Returns:
        One for each term of the image as a whole and for each level of the others, in the order of the terms.

    Example:
        >>> target = torch.zeros(2, 32, 32)
        >>> target[1, 8:24, 8:24] = 1
        >>> target[0] = 1 - target[1]
        >>> gradients = compute_gradients(torch.full_like(target, 0.5), target)
        >>> [(gradient.term, gradient.level) for gradient in gradients[:3]]
        [('cross_entropy', None), ('dice', None), ('mutual_information', 1)]
        >>> bool((gradients[0].values[1] > 0)[8:24, 8:24].all())  # more foreground where there is some
        True
    """
    classes = len(probabilities)
    floored = ((1 - classes * FLOOR) * probabilities + FLOOR)[None].requires_grad_()  # (1, C, spatial)
    loss = loss or CWMILoss(softmax=True)
    # The softmax of a logarithm is the probability again, divided by the sum over the classes.
    terms = loss.terms(floored.log(), target[None])
    gradients = []
    for name, values in terms.items():
        levels = {None: values} if values.ndim == 2 else dict(enumerate(values, 1))
        for level, value in levels.items():
            (gradient,) = torch.autograd.grad(loss.signs[name] * value.mean(), floored, retain_graph=True)
            along = (gradient - gradient.mean(1, keepdim=True))[0]  # the plane of a sum that stays
            gradients.append(TermGradient(name, level, along))
    return gradients
