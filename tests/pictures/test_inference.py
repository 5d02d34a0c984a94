from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer

from monai_cwmi.pictures import MirroredWindowInferer

OPTIONS = {"sw_batch_size": 2, "overlap": 0.5, "mode": "gaussian", "padding_mode": "reflect"}


@pytest.fixture
def network() -> torch.nn.Module:
    """What it says of a pixel depends on those around it."""
    torch.manual_seed(0)
    return torch.nn.Conv2d(3, 2, 5, padding=2)


@pytest.mark.parametrize("size", [(20, 90), (16, 16), (9, 40), (33, 64), (1, 70)])
def test_a_small_picture_is_mirrored_until_it_fills_the_window(size: tuple[int, int], network: torch.nn.Module) -> None:
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    lacks = [max(0, 64 - side) for side in size]
    widths = [(lack // 2, lack - lack // 2) for lack in lacks]
    padded = torch.from_numpy(np.pad(image.numpy(), [(0, 0), (0, 0), *widths], mode="reflect"))
    with torch.no_grad():
        whole = SlidingWindowInferer(roi_size=(64, 64), **OPTIONS)(padded, network)
        found = MirroredWindowInferer(roi_size=(64, 64), **OPTIONS)(MetaTensor(image), network)
    (top, _), (left, _) = widths
    assert isinstance(found, MetaTensor)
    torch.testing.assert_close(found.as_tensor(), whole[..., top : top + size[0], left : left + size[1]])


@pytest.mark.parametrize("size", [(40, 70), (64, 64), (33, 150)])
def test_of_others_the_result_is_monais(size: tuple[int, int], network: torch.nn.Module) -> None:
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = (
            inferer(roi_size=(64, 64), **OPTIONS)(image, network)
            for inferer in (MirroredWindowInferer, SlidingWindowInferer)
        )
    assert torch.equal(found, expected)
