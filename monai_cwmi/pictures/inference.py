"""Inference on pictures of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer
from monai.utils import fall_back_tuple


class MirroredWindowInferer(SlidingWindowInferer):
    """MONAI's ``SlidingWindowInferer`` for images of which a side may be shorter than half the window.

    Such images are continued by their mirror image as often as it takes to fill the window, and the result is cut to
    their size; the network must return one tensor. Others are MONAI's to pad, by ``padding_mode``. Arguments are those
    of ``SlidingWindowInferer``.

    Example::

        MirroredWindowInferer(roi_size=(256, 256), padding_mode="reflect")(torch.randn(1, 3, 20, 300), network)
    """

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Predict from images (B, C, X, Y[, Z])."""
        sizes = inputs.shape[2:]
        windows = fall_back_tuple(self.roi_size, sizes)
        missing = [max(0, window - size) for window, size in zip(windows, sizes, strict=True)]
        # PyTorch mirrors an image once, without its border.
        if all(lack - lack // 2 < size for lack, size in zip(missing, sizes, strict=True)):
            return super().__call__(inputs, network, *args, **kwargs)
        inside = []
        for axis, (lack, size) in enumerate(zip(missing, sizes, strict=True), start=2):
            before = lack // 2  # as MONAI has it
            mirrored = np.pad(np.arange(size), (before, lack - before), mode="reflect")
            inputs = inputs.index_select(axis, torch.as_tensor(mirrored, device=inputs.device))
            inside.append(slice(before, before + size))
        return super().__call__(inputs, network, *args, **kwargs)[(..., *inside)]
