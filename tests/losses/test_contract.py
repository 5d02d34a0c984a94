"""What every loss of the package promises, whatever it computes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from monai.losses import DiceLoss
from torch import Tensor, nn

import monai_cwmi.losses
from monai_cwmi.losses import (
    ABWLoss,
    BorderWeightedCELoss,
    CWMILoss,
    PreparedLoss,
    SCNPLoss,
    SkeaTopoLoss,
    SkeletonRecallLoss,
    SubbandDistanceLoss,
)
from monai_cwmi.maps import AdaptiveBoundaryWeightsd, BorderWeightd, SkeletonWeightsd, TubedSkeletond

IGNORED = 255
MakeLoss = Callable[..., nn.Module]


def prepared_dice(reduction: str = "mean", **options: Any) -> PreparedLoss:
    return PreparedLoss(DiceLoss(reduction=reduction), **options)


PUBLIC = {name: getattr(monai_cwmi.losses, name) for name in monai_cwmi.losses.__all__}
# Each loss, and the transform whose maps it needs behind the label. One without maps need not be named.
LOSSES: dict[str, tuple[MakeLoss, Any]] = {name: (loss, None) for name, loss in PUBLIC.items()} | {
    "ABWLoss": (ABWLoss, AdaptiveBoundaryWeightsd),
    "BorderWeightedCELoss": (BorderWeightedCELoss, BorderWeightd),
    "PreparedLoss": (prepared_dice, None),
    "SCNPLoss": (lambda **options: SCNPLoss(CWMILoss(**options)), None),
    "SkeaTopoLoss": (SkeaTopoLoss, SkeletonWeightsd),
    "SkeletonRecallLoss": (SkeletonRecallLoss, TubedSkeletond),
    "SubbandDistanceLoss": (lambda **options: SubbandDistanceLoss(distance="l1", **options), None),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def make(name: str, **options: Any) -> nn.Module:
    return LOSSES[name][0](softmax=True, to_onehot_y=True, **options)


def example(name: str, *, ignored: bool = False) -> tuple[Tensor, Tensor]:
    """Float64 logits of three classes, and the label with the maps that the loss needs; a corner has no label."""
    generator = torch.Generator().manual_seed(0)
    label = torch.zeros(2, 1, 24, 30)
    label[0, :, 4:18, 8:12] = 1
    label[1, :, 10:14, 3:25] = 1
    label[:, :, 19:23, 5:20] = 2
    if ignored:
        label[..., 20:] = IGNORED
    transform = LOSSES[name][1]
    if transform is not None:
        maps = transform("label", ignore_index=IGNORED)
        label = torch.stack([torch.as_tensor(maps({"label": image})["label"]) for image in label])
    logits = torch.randn(2, 3, 24, 30, dtype=torch.float64, generator=generator)
    return logits.requires_grad_(), label


def test_the_table_names_public_losses() -> None:
    assert LOSSES.keys() == PUBLIC.keys()
    assert all(issubclass(loss, nn.Module) for loss in PUBLIC.values())


@every_loss
def test_reductions_are_of_the_same_values(name: str) -> None:
    logits, target = example(name)
    mean, total, values = (make(name, reduction=word)(logits, target) for word in ("mean", "sum", "none"))
    assert mean.ndim == total.ndim == 0
    assert values.shape[0] == len(logits)
    torch.testing.assert_close(values.mean(), mean)
    torch.testing.assert_close(values.sum(), total)


@every_loss
def test_a_word_that_is_no_reduction_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="median"):
        make(name, reduction="median")


@every_loss
def test_nan_in_the_prediction_shows(name: str) -> None:
    logits, target = example(name)
    spoilt = logits.detach().clone()
    spoilt[0, 1, 5, 6] = torch.nan
    assert make(name)(spoilt, target).isnan()


@every_loss
def test_ignored_voxels_may_hold_anything(name: str) -> None:
    logits, target = example(name, ignored=True)
    loss = make(name, ignore_index=IGNORED)
    spoilt = logits.detach().clone()
    spoilt[..., 20:] = torch.nan
    spoilt.requires_grad_()
    torch.testing.assert_close(loss(spoilt, target), loss(logits, target))
    (gradient,) = torch.autograd.grad(loss(spoilt, target), spoilt)
    assert gradient[..., 20:].abs().max() == 0
    assert gradient[..., :20].isfinite().all()
    assert gradient[..., :20].abs().max() > 0


@every_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_any_floating_point_dtype_is_computed_in_single_or_double_precision(name: str, dtype: torch.dtype) -> None:
    logits, target = example(name)
    logits = logits.detach().to(dtype).requires_grad_()
    loss = make(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(logits, target)
    # What autocast must leave alone: the same numbers in the precision that the loss works in.
    exact = logits.detach().to(torch.float64 if dtype == torch.float64 else torch.float32).requires_grad_()
    expected = loss(exact, target)
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found, logits)
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


@every_loss
def test_meta_tensors_give_the_same_plain_number(name: str) -> None:
    logits, target = example(name)
    found = make(name)(MetaTensor(logits), MetaTensor(target))
    assert type(found) is Tensor
    torch.testing.assert_close(found, make(name)(logits, target))


@every_loss
def test_a_small_step_down_the_gradient_lowers_it(name: str) -> None:
    logits, target = example(name)
    target.requires_grad_()
    loss = make(name)
    value = loss(logits, target)
    value.backward()
    assert target.grad is None  # a label is no variable
    assert logits.grad is not None
    step = 1e-3 / logits.grad.norm()
    slope = (loss(logits - step * logits.grad, target) - value) / (-step * logits.grad.square().sum())
    assert 0.9 < slope.item() < 1.1


@every_loss
def test_a_target_of_another_size_is_refused(name: str) -> None:
    logits, target = example(name)
    with pytest.raises((AssertionError, ValueError), match=r"shape.*24.*20"):
        make(name)(logits, target[..., :20])


@every_loss
def test_copies_give_the_same(name: str) -> None:
    logits, target = example(name)
    loss = make(name)
    expected = loss(logits, target)
    for each in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        torch.testing.assert_close(each(logits, target), expected)
    assert not list(loss.parameters())
    assert not loss.state_dict()


@pytest.mark.slow
@every_loss
def test_compiled_it_is_the_same(name: str) -> None:
    logits, target = example(name)
    loss = make(name)
    torch.compiler.reset()
    compiled = torch.compile(loss, backend="eager")(logits, target)
    torch.testing.assert_close(compiled, loss(logits, target))
