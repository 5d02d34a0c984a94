"""What autograd functions with a gradient of their own have in common."""

from __future__ import annotations

import torch


def refuse_second_derivative() -> None:
    """Raise an error in a backward pass that is to be differentiated itself: it would go on with a wrong number.

    Raises:
        RuntimeError: When gradients are taken with ``create_graph=True``.
    """
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        raise RuntimeError("the mutual information has no second derivative: take its gradient without create_graph.")
