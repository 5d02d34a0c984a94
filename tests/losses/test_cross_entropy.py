from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from monai_cwmi.losses.cross_entropy import cross_entropy
from monai_cwmi.losses.preparation import Preparation
from monai_cwmi.losses.voxel_sums import voxel_sums

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = 3 * torch.randn(2, 3, 6, 5, dtype=torch.float64, generator=GENERATOR)
LABELS = torch.randint(0, 3, (2, 1, 6, 5), generator=GENERATOR)
ONE_HOT = F.one_hot(LABELS[:, 0], 3).movedim(-1, 1).double()


def entropy_of(options: dict[str, Any], logits: torch.Tensor, target: torch.Tensor, **how: Any) -> torch.Tensor:
    prepared = Preparation(**options)(logits, target)
    return cross_entropy(voxel_sums(prepared), **how)


EXCLUSIVE = {"softmax": True, "to_onehot_y": True}


def test_exclusive_classes_against_torch() -> None:
    expected = F.cross_entropy(LOGITS, LABELS[:, 0], reduction="none").mean((1, 2))
    torch.testing.assert_close(entropy_of(EXCLUSIVE, LOGITS, LABELS)[:, 0], expected)


def test_weights_of_exclusive_classes_against_torch() -> None:
    weight = torch.tensor([0.5, 2.0, 3.0]).double()
    expected = F.cross_entropy(LOGITS, LABELS[:, 0], weight, reduction="none").mean((1, 2))
    torch.testing.assert_close(entropy_of(EXCLUSIVE, LOGITS, LABELS, weight=weight)[:, 0], expected)


def test_channels_by_themselves_against_torch() -> None:
    weight = torch.tensor([0.5, 2.0, 3.0]).double()
    for w in (None, weight):
        pos_weight = None if w is None else w[:, None, None]
        expected = F.binary_cross_entropy_with_logits(LOGITS, ONE_HOT, reduction="none", pos_weight=pos_weight)
        torch.testing.assert_close(entropy_of({"sigmoid": True}, LOGITS, ONE_HOT, weight=w), expected.mean((2, 3)))
        # From probabilities it is the same, where they can be told from 0 and 1.
        found = entropy_of({}, torch.sigmoid(LOGITS), ONE_HOT, weight=w)
        torch.testing.assert_close(found, expected.mean((2, 3)), rtol=1e-9, atol=0)


def test_ignored_voxels_do_not_count() -> None:
    labels = LABELS.clone()
    labels[0, 0, :2] = 255
    expected = F.cross_entropy(LOGITS, labels[:, 0], ignore_index=255, reduction="none")
    count = (labels[:, 0] != 255).sum((1, 2))
    found = entropy_of(EXCLUSIVE | {"ignore_index": 255}, LOGITS, labels)
    torch.testing.assert_close(found[:, 0], expected.sum((1, 2)) / count)
    assert entropy_of(EXCLUSIVE | {"ignore_index": 255}, LOGITS, torch.full_like(LABELS, 255)).abs().max() == 0


@pytest.mark.parametrize("options", [{"sigmoid": True}, {}])
def test_the_balance_is_the_papers_for_two_classes(options: dict[str, Any]) -> None:
    target = ONE_HOT[:, :1]
    p = torch.sigmoid(LOGITS[:, :1])
    expected = []
    for y, q in zip(target, p, strict=True):
        foreground, background = y.sum(), (1 - y).sum()
        smaller = min(foreground, background)
        terms = background / smaller * y * q.log() + foreground / smaller * (1 - y) * (1 - q).log()
        expected.append(-terms.mean())
    found = entropy_of(options, LOGITS[:, :1] if options else p, target, balance=1.0)
    torch.testing.assert_close(found[:, 0], torch.stack(expected))
    # Two softmax channels whose logits differ by that of the sigmoid are the same thing.
    two = torch.cat((torch.zeros_like(p), LOGITS[:, :1]), dim=1)
    found = entropy_of(EXCLUSIVE, two, target, balance=1.0)
    torch.testing.assert_close(found[:, 0], torch.stack(expected))


def test_the_balance_of_several_classes_against_torch() -> None:
    found = entropy_of(EXCLUSIVE, LOGITS, LABELS, balance=0.5)
    for entropy, logits, target in zip(found, LOGITS, ONE_HOT, strict=True):
        counts = target.sum((1, 2))
        weight = (counts.max() / counts).sqrt()
        each = F.cross_entropy(logits[None], target.argmax(0)[None], weight=weight, reduction="none")
        torch.testing.assert_close(entropy[0], each.mean())


@pytest.mark.parametrize("value", [0, 1])
def test_the_balance_is_finite_when_a_class_is_absent(value: int) -> None:
    target = torch.full((1, 1, 4, 4), value).double()
    logits = LOGITS[:1, :1, :4, :4].requires_grad_()
    found = entropy_of({"sigmoid": True}, logits, target, balance=1.0)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    torch.testing.assert_close(found, F.binary_cross_entropy_with_logits(logits, target)[None, None])
    assert gradient.isfinite().all()


def test_underflow_is_no_infinity() -> None:
    # exp(-200) is 0 in float32: the logarithm must never be taken of it.
    logits = torch.tensor([-200.0, 0, 0]).reshape(1, 3, 1, 1).requires_grad_()
    found = entropy_of(EXCLUSIVE, logits, torch.zeros(1, 1, 1, 1))
    assert found.item() == pytest.approx(200, rel=1e-2)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert gradient.flatten()[0].item() == pytest.approx(-1)
    logits = torch.tensor([[[[-200.0]]]], requires_grad=True)
    found = entropy_of({"sigmoid": True}, logits, torch.ones(1, 1, 1, 1))
    assert found.item() == pytest.approx(200)


def test_the_number_of_weights_is_checked() -> None:
    with pytest.raises(ValueError, match="weight has 2 values, but input has 3 channels"):
        entropy_of(EXCLUSIVE, LOGITS, LABELS, weight=torch.ones(2))
