"""What autograd functions with a gradient of their own have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def once_differentiable(gradient: Tensor, *sources: Tensor) -> Tensor:
    """Return a gradient that cannot be differentiated itself: autograd would go on with a wrong number.

    Unlike ``torch.autograd.function.once_differentiable``, it works under the transforms of ``torch.func`` too.

    Args:
        gradient: The gradient.
        sources: All tensors that it depends on.

    Raises:
        RuntimeError: When the result is differentiated.
    """
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return gradient
    result: Tensor = _OnceDifferentiable.apply(gradient, *sources)
    return result


class _OnceDifferentiable(torch.autograd.Function):
    @staticmethod
    def forward(gradient: Tensor, *sources: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:
        raise RuntimeError("the mutual information has no second derivative: differentiate it once only.")
