from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from monai.losses import (
    DeepSupervisionLoss,
    DiceCELoss,
    DiceLoss,
    FocalLoss,
    SoftclDiceLoss,
    SoftDiceclDiceLoss,
    TverskyLoss,
)
from monai.networks import one_hot
from torch.nn.modules.loss import _Loss

from monai_cwmi.losses import PreparedLoss

MULTI_CLASS: dict[str, Any] = {"softmax": True, "to_onehot_y": True}
SHAPES = [(16, 13), (8, 9, 10)]
OF_PROBABILITIES: list[Callable[..., _Loss]] = [
    DiceLoss,
    lambda **options: DiceLoss(jaccard=True, **options),
    lambda **options: TverskyLoss(alpha=0.3, beta=0.7, **options),
    SoftclDiceLoss,
    lambda **options: SoftDiceclDiceLoss(iter_=4, **options),
]


def example(shape: tuple[int, ...], channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, max(channels, 2), (2, 1, *shape), generator=generator)
    return torch.randn(2, channels, *shape, generator=generator, dtype=torch.float64, requires_grad=True), labels


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize("make", OF_PROBABILITIES)
def test_it_is_the_loss_itself(make: Callable[..., _Loss], include_background: bool, shape: tuple[int, ...]) -> None:
    logits, labels = example(shape)
    for options, target in ((MULTI_CLASS, labels), ({"sigmoid": True}, one_hot(labels, 3).double())):
        options = options | {"include_background": include_background}
        expected = make(**options)(logits, target)
        torch.testing.assert_close(PreparedLoss(make(), **options)(logits, target), expected)


@pytest.mark.parametrize("make", [DiceLoss, TverskyLoss])
def test_ignored_voxels_are_left_out_as_by_losses_that_know_them(make: Callable[..., _Loss]) -> None:
    logits, labels = example((16, 13))
    labels[:, :, 3:6] = 255
    expected = make(**MULTI_CLASS, ignore_index=255)(logits, labels)
    torch.testing.assert_close(PreparedLoss(make(), **MULTI_CLASS, ignore_index=255)(logits, labels), expected)


@pytest.mark.parametrize("make", [*OF_PROBABILITIES, FocalLoss])
def test_ignored_voxels_may_hold_anything(make: Callable[..., _Loss]) -> None:
    logits, labels = example((16, 13))
    labels[:, :, 3:6] = 255
    spoilt = logits.detach().clone()
    spoilt[:, :, 3:6] = torch.nan
    spoilt.requires_grad_()
    loss = PreparedLoss(make(), **MULTI_CLASS, takes_logits=make is FocalLoss, lambda_ce=0.5, ignore_index=255)
    torch.testing.assert_close(loss(spoilt, labels), loss(logits, labels))
    (gradient,) = torch.autograd.grad(loss(spoilt, labels), spoilt)
    assert gradient.isfinite().all()
    assert gradient[:, :, 3:6].abs().max() == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_dice_and_cross_entropy(shape: tuple[int, ...]) -> None:
    logits, labels = example(shape)
    for include_background in (True, False):
        options = MULTI_CLASS | {"include_background": include_background}
        expected = DiceCELoss(**options, lambda_ce=0.6)(logits, labels)
        torch.testing.assert_close(PreparedLoss(DiceLoss(), **options, lambda_ce=0.6)(logits, labels), expected)
    expected = DiceLoss(sigmoid=True)(logits, one_hot(labels, 3)) + F.binary_cross_entropy_with_logits(
        logits, one_hot(labels, 3).double()
    )
    found = PreparedLoss(DiceLoss(), sigmoid=True, lambda_ce=1)(logits, one_hot(labels, 3))
    torch.testing.assert_close(found, expected)
    # Sums over images: exclusive classes have one entropy for each.
    total = PreparedLoss(DiceLoss(reduction="sum"), **MULTI_CLASS, lambda_ce=1)(logits, labels)
    entropy = F.cross_entropy(logits, labels[:, 0], reduction="none").flatten(1).mean(1).sum()
    torch.testing.assert_close(total, DiceLoss(**MULTI_CLASS, reduction="sum")(logits, labels) + entropy)


def focal(p: float, y: float, gamma: float) -> float:
    """The focal loss's paper, equation 5, alpha left out."""
    p_t = p if y else 1 - p
    return -((1 - p_t) ** gamma) * math.log(p_t)


@pytest.mark.parametrize("options", [MULTI_CLASS, {"sigmoid": True}, {}])
@pytest.mark.parametrize("channels", [2, 3])
def test_focal_loss_of_the_probabilities(channels: int, options: dict[str, Any]) -> None:
    logits, labels = example((6, 5), channels)
    p = torch.softmax(logits, 1) if "softmax" in options else torch.sigmoid(logits)
    y = one_hot(labels, channels)
    input, target = (logits if options else p), (labels if "softmax" in options else y)
    pairs = zip(p[:, 1:].flatten().tolist(), y[:, 1:].flatten().tolist(), strict=True)
    values = [focal(*pair, gamma=1.5) for pair in pairs]
    loss = PreparedLoss(FocalLoss(gamma=1.5), **options, include_background=False, takes_logits=True)
    # FocalLoss computes in float32.
    torch.testing.assert_close(loss(input, target).item(), sum(values) / len(values), rtol=1e-5, atol=0)


def test_focal_loss_with_ignored_voxels_counts_them_without_a_cost() -> None:
    logits, labels = example((6, 5), 2)
    labels[:, :, 2] = 255
    p = torch.softmax(logits, 1)[:, 1].flatten().tolist()
    cost = sum(focal(a, b, 2) for a, b in zip(p, labels.flatten().tolist(), strict=True) if b != 255)
    loss = PreparedLoss(FocalLoss(), **MULTI_CLASS, include_background=False, takes_logits=True, ignore_index=255)
    torch.testing.assert_close(loss(logits, labels).item(), cost / len(p), rtol=1e-5, atol=0)


def test_log_odds_of_sure_predictions_keep_their_gradient() -> None:
    logits = torch.tensor([30.0, -30.0]).reshape(1, 2, 1, 1).requires_grad_()  # of the wrong class
    loss = PreparedLoss(FocalLoss(), **MULTI_CLASS, include_background=False, takes_logits=True)
    value = loss(logits, torch.ones(1, 1, 1, 1))
    assert value.item() == pytest.approx(60)
    assert torch.autograd.grad(value, logits)[0].flatten().tolist() == pytest.approx([1, -1])


@pytest.mark.parametrize("options", [MULTI_CLASS, {"sigmoid": True, "ignore_index": 5}])
@pytest.mark.parametrize("loss", [DiceLoss(), TverskyLoss(alpha=0.3, beta=0.7), SoftDiceclDiceLoss()])
def test_gradient_by_finite_differences(loss: _Loss, options: dict[str, Any]) -> None:
    logits, labels = example((5, 4), 2)
    target = labels if "softmax" in options else one_hot(labels, 2)
    target[:, 0, 0] = 0 if "softmax" in options else 5
    assert torch.autograd.gradcheck(lambda x: PreparedLoss(loss, **options, lambda_ce=0.3)(x, target), logits)


@pytest.mark.parametrize("value", [0, 1, 255])
@pytest.mark.parametrize("shape", [(1, 1), (7, 8), (3, 4, 5)])
@pytest.mark.parametrize("make", [*OF_PROBABILITIES, FocalLoss])
def test_degenerate_targets(make: Callable[..., _Loss], shape: tuple[int, ...], value: int) -> None:
    logits = torch.randn(1, 2, *shape, requires_grad=True)
    options = MULTI_CLASS | {"include_background": False, "ignore_index": 255, "lambda_ce": 1}
    loss = PreparedLoss(make(), **options, takes_logits=make is FocalLoss)
    for scale in (1, 1e4):
        found = loss(scale * logits, torch.full((1, 1, *shape), value))
        (gradient,) = torch.autograd.grad(found, logits)
        assert found.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_sure_and_wrong_probabilities_keep_their_gradient(dtype: torch.dtype) -> None:
    probabilities = torch.tensor([0.0, 1.0], dtype=dtype).reshape(1, 1, 1, 2).requires_grad_()
    value = PreparedLoss(FocalLoss(), takes_logits=True)(probabilities, torch.tensor([[[[1.0, 0.0]]]]))
    gradient = torch.autograd.grad(value, probabilities)[0].flatten()
    assert value.item() == pytest.approx(-math.log(torch.finfo(dtype).eps), rel=2e-2)
    assert gradient.isfinite().all()
    assert gradient[0] < -1
    assert gradient[1] > 1


def test_deep_supervision_may_wrap_it() -> None:
    logits, labels = example((16, 12))
    logits = logits.float()
    heads, loss = [logits, logits[..., ::2, ::2]], PreparedLoss(DiceLoss(), **MULTI_CLASS)
    coarse = F.interpolate(labels.float(), size=(8, 6), mode="nearest-exact")
    expected = loss(heads[0], labels) + 0.5 * loss(heads[1], coarse)
    torch.testing.assert_close(DeepSupervisionLoss(loss)(heads, labels.float()), expected)


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (DiceLoss(softmax=True), "softmax"),
        (DiceLoss(include_background=False), "include_background"),
        (TverskyLoss(ignore_index=0), "ignore_index"),
        (SoftDiceclDiceLoss(sigmoid=True), "sigmoid"),  # which its parts know
        (SoftDiceclDiceLoss(to_onehot_y=True), "to_onehot_y"),
        (FocalLoss(use_softmax=True), "use_softmax"),
        (DiceLoss(other_act=torch.tanh), "other_act"),
    ],
)
def test_options_of_the_wrapped_loss_are_refused(loss: _Loss, name: str) -> None:
    with pytest.raises(ValueError, match=f"give {name} to PreparedLoss, not to the {type(loss).__name__}"):
        PreparedLoss(loss)


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match="lambda_ce must not be negative, and finite, got -1"):
        PreparedLoss(DiceLoss(), lambda_ce=-1)
    with pytest.raises(ValueError, match="its reduction must not be 'none'"):
        PreparedLoss(DiceLoss(reduction="none"), lambda_ce=1)
    none = PreparedLoss(DiceLoss(reduction="none"), sigmoid=True)(torch.randn(2, 3, 4, 4), torch.ones(2, 3, 4, 4))
    assert none.shape[:2] == (2, 3)
