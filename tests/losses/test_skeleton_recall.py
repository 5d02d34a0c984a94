from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from monai.losses import DeepSupervisionLoss
from monai.networks import one_hot

from monai_cwmi.losses import SkeletonRecallLoss
from monai_cwmi.maps import TubedSkeletond

MULTI_CLASS: dict[str, Any] = {"softmax": True, "to_onehot_y": True}
SHAPES = [(20, 17), (10, 9, 11)]


def example(shape: tuple[int, ...], channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and targets ``(2, 2, spatial)``; the last class is absent in the second image."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, max(channels, 2), (2, 1, *(n // 4 + 1 for n in shape)), generator=generator)
    for axis, size in enumerate(shape, start=2):
        coarse = coarse.repeat_interleave(4, axis).narrow(axis, 0, size)
    coarse[1] = coarse[1].clamp_max(max(channels, 2) - 2)
    transform = TubedSkeletond("label")
    target = torch.stack([transform({"label": label})["label"] for label in coarse])
    return torch.randn(2, channels, *shape, generator=generator, dtype=torch.float64, requires_grad=True), target


def reference(
    probabilities: np.ndarray, label: np.ndarray, tubes: np.ndarray, weight: float, counted: np.ndarray
) -> np.ndarray:
    """The loss of each class of one image after softmax, voxel by voxel."""
    losses = []
    places = [tuple(place) for place in np.argwhere(counted)]
    entropy = sum(-math.log(probabilities[(int(label[place]), *place)]) for place in places) / len(places)
    for index, p in enumerate(probabilities):
        overlap = sum(p[place] for place in places if label[place] == index)
        size = sum(p[place] for place in places) + sum(label[place] == index for place in places)
        dice = 1 - (2 * overlap + 1e-5) / (size + 1e-5)
        tube = [p[place] for place in places if tubes[place] == index and index > 0]
        losses.append(dice + entropy + weight * (1 - sum(tube) / len(tube) if tube else 0))
    return np.array(losses)


@pytest.mark.parametrize("ignore_index", [None, 255])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_formula_voxel_by_voxel(shape: tuple[int, ...], ignore_index: int | None) -> None:
    logits, target = example(shape)
    if ignore_index is not None:
        target[:, 0, 3:6] = ignore_index  # the tubes there stay, and must not count
    expected = torch.tensor(
        np.array(
            [
                reference(p.detach().numpy(), t[0].numpy(), t[1].numpy(), 0.7, t[0].numpy() != ignore_index)
                for p, t in zip(torch.softmax(logits, 1), target, strict=True)
            ]
        )
    )
    options = MULTI_CLASS | {"lambda_recall": 0.7, "ignore_index": ignore_index}
    torch.testing.assert_close(SkeletonRecallLoss(**options, reduction="none")(logits, target), expected)
    torch.testing.assert_close(SkeletonRecallLoss(**options)(logits, target), expected.mean())
    torch.testing.assert_close(SkeletonRecallLoss(**options, reduction="sum")(logits, target), expected.sum())
    found = SkeletonRecallLoss(**options, include_background=False, reduction="none")(logits, target)
    torch.testing.assert_close(found, expected[:, 1:])


def test_ignored_voxels_may_hold_anything() -> None:
    logits, target = example((20, 17))
    target[:, 0, 3:6] = 255
    loss = SkeletonRecallLoss(**MULTI_CLASS, ignore_index=255)
    spoilt, odd = logits.detach().clone(), target.clone()
    spoilt[:, :, 3:6] = torch.nan
    odd[:, 1, 3:6] = 1
    spoilt.requires_grad_()
    torch.testing.assert_close(loss(spoilt, odd), loss(logits, target))
    (gradient,) = torch.autograd.grad(loss(spoilt, odd), spoilt)
    assert gradient.isfinite().all()
    assert gradient[:, :, 3:6].abs().max() == 0


def test_one_channel_and_two_are_the_same() -> None:
    logits, target = example((20, 17), 1)
    two = torch.cat((torch.zeros_like(logits), logits), 1)
    expected = SkeletonRecallLoss(**MULTI_CLASS, include_background=False)(two, target)
    torch.testing.assert_close(SkeletonRecallLoss(sigmoid=True)(logits, target), expected)
    torch.testing.assert_close(SkeletonRecallLoss()(torch.sigmoid(logits), target), expected)
    tubes = target[:, 1:]
    one_hot_target = torch.cat((one_hot(target[:, :1], 2), tubes), 1)
    found = SkeletonRecallLoss(softmax=True, include_background=False)(two, one_hot_target)
    torch.testing.assert_close(found, expected)


def test_recall_of_the_skeleton_is_what_the_weight_weighs() -> None:
    logits, target = example((20, 17), 2)
    options = MULTI_CLASS | {"include_background": False, "reduction": "none"}
    without, once, thrice = (SkeletonRecallLoss(**options, lambda_recall=w)(logits, target) for w in (0, 1, 3))
    torch.testing.assert_close(thrice - without, 3 * (once - without))
    sure = torch.where(target[:, 1:] == 1, 50.0, -50.0)  # the tubes alone, all of them
    sure = torch.cat((-sure, sure), 1)
    torch.testing.assert_close(*(SkeletonRecallLoss(**options, lambda_recall=w)(sure, target) for w in (0, 1)))


@pytest.mark.parametrize("shape", [(6, 5), (4, 4, 5)])
@pytest.mark.parametrize("options", [MULTI_CLASS, MULTI_CLASS | {"ignore_index": 1}])
def test_gradient_by_finite_differences(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    logits, target = example(shape)
    assert torch.autograd.gradcheck(lambda x: SkeletonRecallLoss(**options)(x, target), logits)


@pytest.mark.parametrize("shape", [(1, 1), (9, 8), (3, 4, 5)])
@pytest.mark.parametrize("value", [0, 1, 255])
def test_degenerate_targets(shape: tuple[int, ...], value: int) -> None:
    logits = torch.randn(1, 2, *shape, requires_grad=True)
    label = torch.full((1, *shape), value)
    target = TubedSkeletond("label", ignore_index=255)({"label": label})["label"][None]
    for scale in (1, 1e4):
        loss = SkeletonRecallLoss(**MULTI_CLASS, ignore_index=255)(scale * logits, target)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_deep_supervision_shrinks_the_tubes_with_the_label() -> None:
    logits, target = example((20, 16))
    logits = logits.float()
    loss = SkeletonRecallLoss(**MULTI_CLASS)
    nearest = target[..., 1::2, 1::2]  # the voxels that interpolation takes
    assert nearest[:, 1].any()
    expected = loss(logits, target) + 0.5 * loss(logits[..., ::2, ::2], nearest)
    torch.testing.assert_close(DeepSupervisionLoss(loss)([logits, logits[..., ::2, ::2]], target), expected)


def test_bad_input_is_named() -> None:
    logits, target = example((20, 17))
    with pytest.raises(ValueError, match=r"add monai_cwmi\.maps\.TubedSkeletond"):
        SkeletonRecallLoss(**MULTI_CLASS)(logits, target[:, :1])
    with pytest.raises(ValueError, match="lambda_recall must not be negative, and finite, got -1"):
        SkeletonRecallLoss(lambda_recall=-1)
    with pytest.raises(TypeError, match="other_act must be None or callable"):
        SkeletonRecallLoss(other_act="tanh")  # type: ignore[arg-type]
