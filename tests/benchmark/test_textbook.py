from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_cwmi import CWMILoss
from monai_cwmi.benchmark.textbook import SubbandCWMILoss

GENERATOR = torch.Generator().manual_seed(3)
LOGITS = torch.randn(2, 3, 37, 64, generator=GENERATOR)
CLASSES = torch.randint(3, (2, 1, 37, 64), generator=GENERATOR)
BINARY = (torch.rand(2, 3, 37, 64, generator=GENERATOR) > 0.5).float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize(
    ("options", "target"),
    [({"sigmoid": True, "num_orientations": 3}, BINARY), ({"softmax": True, "to_onehot_y": True}, CLASSES)],
)
def test_value_and_gradient_are_those_of_the_fast_loss(
    options: dict[str, Any], target: torch.Tensor, is_complex: bool, dtype: torch.dtype
) -> None:
    logits = LOGITS.to(dtype).requires_grad_()
    values = [loss(is_complex=is_complex, **options)(logits, target) for loss in (SubbandCWMILoss, CWMILoss)]
    assert values[0].dtype == values[1].dtype == dtype
    # Sums over pixels here and over frequencies there: equal up to rounding.
    torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=0)
    gradients = [torch.autograd.grad(value, logits)[0] for value in values]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-3 * float(gradients[1].abs().max()))


def test_half_precision_in_autocast() -> None:
    logits = LOGITS.to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = SubbandCWMILoss(sigmoid=True)(logits, BINARY)
    torch.testing.assert_close(value, CWMILoss(sigmoid=True)(logits, BINARY), rtol=1e-4, atol=0)
