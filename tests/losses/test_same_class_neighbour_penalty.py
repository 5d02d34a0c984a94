from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.losses import DeepSupervisionLoss, DiceLoss
from monai.networks import one_hot
from torch.nn.modules.loss import _Loss

from monai_cwmi.losses import (
    BorderWeightedCELoss,
    CWMILoss,
    PreparedLoss,
    RMILoss,
    SkeletonRecallLoss,
)
from monai_cwmi.losses.same_class_neighbour_penalty import SCNPLoss, worst_neighbours
from monai_cwmi.maps import BorderWeightd, TubedSkeletond

MULTI_CLASS: dict[str, Any] = {"softmax": True, "to_onehot_y": True}
SHAPES = [(9, 7), (1, 6), (2, 1), (5, 4, 6), (1, 3, 4)]
IGNORED = 255


def example(shape: tuple[int, ...], channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, max(channels, 2), (2, 1, *shape), generator=generator)
    return torch.randn(2, channels, *shape, generator=generator, dtype=torch.float64, requires_grad=True), labels


def random_mask(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.rand(2, 1, *shape, generator=torch.Generator().manual_seed(1)) < 0.7


def reference(logits: np.ndarray, target: np.ndarray, mask: np.ndarray, kernel_size: int) -> np.ndarray:
    """The definition for one image and channel, voxel by voxel."""
    worst = logits.copy()
    for place in np.ndindex(*logits.shape):
        if not mask[place]:
            continue
        values = []
        for other in np.ndindex(*logits.shape):
            is_near = all(abs(a - b) <= kernel_size // 2 for a, b in zip(place, other, strict=True))
            if is_near and mask[other] and target[other] == target[place]:
                values.append(logits[other])
        worst[place] = min(values) if target[place] else max(values)
    return worst


def references(logits: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, kernel_size: int = 3) -> torch.Tensor:
    z, y, counts = (t.detach().expand(logits.shape).flatten(0, 1).numpy() for t in (logits, target, mask))
    worst = [reference(*each, kernel_size) for each in zip(z, y, counts, strict=True)]
    return torch.from_numpy(np.stack(worst)).reshape(logits.shape)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_definition_voxel_by_voxel(shape: tuple[int, ...], channels: int, kernel_size: int) -> None:
    logits, labels = example(shape, channels)
    target = one_hot(labels, channels) if channels > 1 else labels.float()
    everywhere = torch.ones(2, 1, *shape, dtype=torch.bool)
    expected = references(logits, target, everywhere, kernel_size)
    assert torch.equal(worst_neighbours(logits, target, None, kernel_size), expected)
    assert torch.equal(worst_neighbours(logits, target, everywhere, kernel_size), expected)
    mask = random_mask(shape)
    expected = references(logits, target, mask, kernel_size)
    assert torch.equal(worst_neighbours(logits, target, mask, kernel_size), expected)


@pytest.mark.parametrize("shape", [(9, 7), (5, 4, 6)])
@pytest.mark.parametrize("softmax", [True, False])
def test_the_loss_is_that_of_the_worst_neighbours(shape: tuple[int, ...], softmax: bool) -> None:
    logits, labels = example(shape)
    mask = random_mask(shape)
    worst = references(torch.where(mask, logits, 0), one_hot(labels, 3), mask)
    target = torch.where(mask, labels if softmax else one_hot(labels, 3), IGNORED)
    options: dict[str, Any] = (MULTI_CLASS if softmax else {"sigmoid": True}) | {"ignore_index": IGNORED}
    losses: list[_Loss] = [
        CWMILoss(**options),
        RMILoss(**options),
        PreparedLoss(DiceLoss(), **options, lambda_ce=1.0),
        PreparedLoss(DiceLoss(), **options, include_background=False),
    ]
    for loss in losses:
        torch.testing.assert_close(SCNPLoss(loss)(logits, target), loss(worst, target))


@pytest.mark.parametrize("shape", [(9, 7), (5, 4, 6)])
def test_a_single_channel(shape: tuple[int, ...]) -> None:
    logits, labels = example(shape, 1)
    worst = references(logits, labels, torch.ones_like(labels, dtype=torch.bool))
    for loss in (CWMILoss(sigmoid=True), PreparedLoss(DiceLoss(), sigmoid=True, lambda_ce=1.0)):
        torch.testing.assert_close(SCNPLoss(loss)(logits, labels), loss(worst, labels))


def test_exclusive_classes_take_each_channel_by_itself() -> None:
    logits = torch.tensor([[0.0, 4.0, 0.0], [3.0, 1.0, 2.0]]).reshape(1, 2, 1, 3)
    target = one_hot(torch.tensor([1, 1, 0]).reshape(1, 1, 1, 3), 2)
    expected = torch.tensor([[4.0, 4.0, 0.0], [1.0, 1.0, 2.0]]).reshape(1, 2, 1, 3)
    assert torch.equal(worst_neighbours(logits, target), expected)


@pytest.mark.parametrize("shape", [(9, 7), (5, 4, 6)])
def test_a_constant_logit_map_is_unchanged(shape: tuple[int, ...]) -> None:
    _, labels = example(shape)
    logits = torch.tensor([-1.5, 0.0, 2.0]).reshape(1, 3, *(1 for _ in shape)).expand(2, 3, *shape)
    assert torch.equal(worst_neighbours(logits, one_hot(labels, 3)), logits)
    loss = PreparedLoss(DiceLoss(), **MULTI_CLASS, lambda_ce=1.0)
    assert torch.equal(SCNPLoss(loss)(logits, labels), loss(logits, labels))


def test_a_kernel_of_one_voxel_changes_nothing() -> None:
    logits, labels = example((9, 7))
    loss = CWMILoss(**MULTI_CLASS)
    assert torch.equal(SCNPLoss(loss, kernel_size=1)(logits, labels), loss(logits, labels))


@pytest.mark.parametrize("make", [CWMILoss, lambda **o: PreparedLoss(DiceLoss(), **o, lambda_ce=1.0)])
def test_noise_is_not_rewarded(make: Any) -> None:
    target = torch.zeros(1, 1, 64, 64)
    target[..., 20:26, 5:60] = 1
    target[..., 35:60, 30:50] = 1
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    loss = make(sigmoid=True)
    for size in (0.01, 0.1, 1.0):
        assert SCNPLoss(loss)(size * noise - 1.5, target) > loss(size * noise - 1.5, target)


def test_worst_is_never_better() -> None:
    logits, labels = example((9, 7))
    target = one_hot(labels, 3).bool()
    worse = worst_neighbours(logits, target.double()) - logits
    assert (worse[target] <= 0).all()
    assert (worse[~target] >= 0).all()


@pytest.mark.parametrize("shape", [(9, 7), (5, 4, 6)])
def test_the_gradient_flows_to_the_worst_neighbour_only(shape: tuple[int, ...]) -> None:
    logits, labels = example(shape)
    target, mask = one_hot(labels, 3), random_mask(shape)
    worst = worst_neighbours(logits, target, mask)
    upstream = torch.randn(worst.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(worst, logits, upstream)
    # No two random logits are equal: a value says whose it is.
    expected = torch.zeros_like(logits).flatten(2)
    for b, c in np.ndindex(2, 3):
        flat = logits[b, c].flatten().tolist()
        for value, share in zip(worst[b, c].flatten().tolist(), upstream[b, c].flatten().tolist(), strict=True):
            expected[b, c, flat.index(value)] += share
    torch.testing.assert_close(gradient, expected.reshape(gradient.shape))


@pytest.mark.parametrize("shape", [(6, 5), (3, 4, 3)])
@pytest.mark.parametrize("options", [MULTI_CLASS, {"sigmoid": True}])
def test_gradient_by_finite_differences(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    logits, labels = example(shape, 2)
    target = torch.where(random_mask(shape), labels if "softmax" in options else one_hot(labels, 2), IGNORED)
    loss = SCNPLoss(PreparedLoss(DiceLoss(), **options, lambda_ce=1.0, ignore_index=IGNORED))
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits)


@pytest.mark.parametrize("shape", [(9, 7), (5, 4, 6)])
@pytest.mark.parametrize("make", [CWMILoss, RMILoss, lambda **o: PreparedLoss(DiceLoss(), **o, lambda_ce=1.0)])
@pytest.mark.parametrize("options", [MULTI_CLASS, {"sigmoid": True}])
def test_ignored_logits_may_be_anything(make: Any, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    logits, labels = example(shape)
    mask = random_mask(shape)
    target = torch.where(mask, labels if "softmax" in options else one_hot(labels, 3), IGNORED)
    loss = SCNPLoss(make(**options, ignore_index=IGNORED))
    for value in (math.nan, math.inf, -math.inf, 1e30):
        spoilt = torch.where(mask, logits, value).detach().requires_grad_()
        found = loss(spoilt, target)
        torch.testing.assert_close(found, loss(logits, target))
        (gradient,) = torch.autograd.grad(found, spoilt)
        assert gradient.isfinite().all()
        assert (gradient * ~mask).abs().max() == 0
        assert gradient.abs().max() > 0


@pytest.mark.parametrize("shape", [(9, 7), (5, 4, 6)])
def test_images_that_are_ignored_altogether_do_no_harm(shape: tuple[int, ...]) -> None:
    logits, labels = example(shape)
    loss = SCNPLoss(PreparedLoss(DiceLoss(), **MULTI_CLASS, lambda_ce=1.0, ignore_index=IGNORED))
    value = loss(logits, torch.full_like(labels, IGNORED))
    assert value.isfinite()
    assert torch.autograd.grad(value, logits)[0].abs().max() == 0


@pytest.mark.parametrize("shape", [(9, 7), (5, 4, 6)])
@pytest.mark.parametrize("value", [0, 1])
def test_absent_and_full_classes(value: int, shape: tuple[int, ...]) -> None:
    logits, labels = example(shape, 1)
    target = torch.full_like(labels, value)
    loss = SCNPLoss(PreparedLoss(DiceLoss(), sigmoid=True, lambda_ce=1.0))(logits, target)
    assert loss.isfinite()
    assert torch.autograd.grad(loss, logits)[0].isfinite().all()


def test_a_nan_that_counts_shows_and_spreads_to_its_class_alone() -> None:
    logits = torch.tensor([1.0, math.nan, 2.0, 3.0]).reshape(1, 1, 1, 4)
    target = torch.tensor([1.0, 1.0, 0.0, 0.0]).reshape(1, 1, 1, 4)
    worst = worst_neighbours(logits, target).flatten()
    assert worst.isnan().tolist() == [True, True, False, False]
    assert SCNPLoss(PreparedLoss(DiceLoss(), sigmoid=True))(logits, target).isnan()


def test_a_soft_target_counts_as_its_larger_half() -> None:
    logits, labels = example((9, 7), 1)
    soft = torch.where(labels == 1, 0.7, 0.2)
    assert torch.equal(worst_neighbours(logits, soft), worst_neighbours(logits, labels))


class Recorder(_Loss):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__(reduction="sum")
        self.prepare = CWMILoss(sigmoid=True).prepare
        self.given: dict[str, Any] = {}

    def forward(self, input: torch.Tensor, target: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        self.given = {"input": input, "target": target, **kwargs}
        return input.float().sum()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_loss_is_given_the_dtype_of_the_input_and_everything_else(dtype: torch.dtype) -> None:
    logits, labels = example((9, 7), 1)
    logits = logits.detach().to(dtype).requires_grad_()
    recorder = Recorder()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = SCNPLoss(recorder)(logits, labels, spacing=(1.0, 2.0))
    assert recorder.given["input"].dtype == dtype
    expected = references(logits.double(), labels, torch.ones_like(labels, dtype=torch.bool))
    assert torch.equal(recorder.given["input"].double(), expected)
    assert recorder.given["target"] is labels
    assert recorder.given["spacing"] == (1.0, 2.0)
    assert torch.autograd.grad(loss, logits)[0].dtype == dtype


@pytest.mark.parametrize("of_target", [True, False])
def test_meta_tensors_keep_their_affine(of_target: bool) -> None:
    logits, labels = example((32, 28), 1)
    affine = torch.diag(torch.tensor([1.0, 2.0, 1.0, 1.0]))
    loss = SCNPLoss(CWMILoss(sigmoid=True, spacing="affine"))
    expected = SCNPLoss(CWMILoss(sigmoid=True, spacing=(1.0, 2.0)))(logits, labels)
    input = logits if of_target else MetaTensor(logits, affine=affine)
    found = loss(input, MetaTensor(labels, affine=affine) if of_target else labels)
    assert type(found) is torch.Tensor
    torch.testing.assert_close(found, expected)
    assert torch.equal(*(torch.autograd.grad(value, logits)[0] for value in (found, expected)))


def test_spacing_reaches_the_loss() -> None:
    logits, labels = example((32, 28), 1)
    found = SCNPLoss(CWMILoss(sigmoid=True))(logits, labels, spacing=(1.0, 2.0))
    torch.testing.assert_close(found, SCNPLoss(CWMILoss(sigmoid=True, spacing=(1.0, 2.0)))(logits, labels))


@pytest.mark.parametrize(
    ("make", "transform"), [(SkeletonRecallLoss, TubedSkeletond), (BorderWeightedCELoss, BorderWeightd)]
)
@pytest.mark.parametrize("is_one_hot", [True, False])
def test_losses_with_maps_behind_the_label(make: Any, transform: Any, is_one_hot: bool) -> None:
    logits, labels = example((16, 18), 2)
    labels[..., 4:9, :] = 1
    labels[..., 15:] = IGNORED
    mapped = torch.stack([torch.as_tensor(transform("x", ignore_index=IGNORED)({"x": x.float()})["x"]) for x in labels])
    mask = labels != IGNORED
    classes = one_hot(torch.where(mask, labels, 0), 2)
    worst = references(torch.where(mask, logits, 0), classes, mask)
    if is_one_hot:
        mapped = torch.cat([torch.where(mask, classes, IGNORED), mapped[:, 1:]], 1)
    loss = make(softmax=True, to_onehot_y=not is_one_hot, ignore_index=IGNORED)
    torch.testing.assert_close(SCNPLoss(loss)(logits, mapped), loss(worst, mapped))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_reduction_is_the_losss(reduction: str) -> None:
    logits, labels = example((9, 7))
    loss = SCNPLoss(CWMILoss(**MULTI_CLASS, reduction=reduction))
    assert loss.reduction == reduction
    assert loss(logits, labels).shape == ((2, 3) if reduction == "none" else ())


def test_deep_supervision() -> None:
    loss = SCNPLoss(PreparedLoss(DiceLoss(), **MULTI_CLASS))
    logits, labels = example((16, 12))
    logits = logits.float()
    coarse = logits[..., ::2, ::2]
    found = DeepSupervisionLoss(loss)([logits, coarse], labels.float())
    expected = loss(logits, labels) + loss(coarse, labels[..., 1::2, 1::2]) / 2
    torch.testing.assert_close(found, expected)


def test_copies_give_the_same() -> None:
    logits, labels = example((9, 7))
    loss = SCNPLoss(CWMILoss(**MULTI_CLASS))
    for each in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        torch.testing.assert_close(each(logits, labels), loss(logits, labels))
    assert not list(loss.parameters())
    assert not loss.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(9, 7), (5, 4, 6)])
def test_compiled_it_is_the_same(shape: tuple[int, ...]) -> None:
    logits, labels = example(shape)
    loss = SCNPLoss(PreparedLoss(DiceLoss(), **MULTI_CLASS, lambda_ce=1.0))
    torch.compiler.reset()
    compiled = torch.compile(loss, backend="eager")(logits, labels)
    torch.testing.assert_close(compiled, loss(logits, labels))


def test_losses_without_logits_are_named() -> None:
    with pytest.raises(ValueError, match="got DiceLoss: wrap MONAI's losses in PreparedLoss"):
        SCNPLoss(DiceLoss(sigmoid=True))
    with pytest.raises(ValueError, match="got SCNPLoss"):
        SCNPLoss(SCNPLoss(CWMILoss(sigmoid=True)))
    for loss in (CWMILoss(), PreparedLoss(DiceLoss()), RMILoss(other_act=torch.sigmoid)):
        with pytest.raises(ValueError, match=f"give {type(loss).__name__} sigmoid=True or softmax=True"):
            SCNPLoss(loss)


@pytest.mark.parametrize("kernel_size", [0, 2, -1])
def test_a_kernel_without_a_middle_is_named(kernel_size: int) -> None:
    with pytest.raises(ValueError, match=f"odd number from 1 on, got {kernel_size}"):
        SCNPLoss(CWMILoss(sigmoid=True), kernel_size)
    with pytest.raises(ValueError, match=f"odd number from 1 on, got {kernel_size}"):
        worst_neighbours(torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3), None, kernel_size)


def test_bad_input_is_named() -> None:
    loss = SCNPLoss(CWMILoss(**MULTI_CLASS))
    logits, labels = example((9, 7))
    with pytest.raises(ValueError, match="SCNPLoss compares images"):
        loss(logits[..., 0], labels[..., 0])
    with pytest.raises(TypeError, match="floating point"):
        loss(logits.long(), labels)
    with pytest.raises(AssertionError, match="shape"):
        loss(logits, labels[..., :5])
    with pytest.raises(AssertionError, match="one channel"):
        loss(logits, labels.expand(2, 3, 9, 7))
    with pytest.raises(ValueError, match="class indices from 0 to 3"):
        loss(logits, torch.full_like(labels, 3).index_fill(3, torch.tensor(0), 0))
