"""What the losses with weight maps have in common; each one's formula is tested in its own file."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.losses import DeepSupervisionLoss
from monai.networks import one_hot
from monai.transforms import Compose, RandFlipd, RandRotate90d

from mapped_losses import EXCLUSIVE, FORMULAS, LOSSES, SHAPES, example, with_maps
from monai_cwmi.losses.mapped import MappedLoss
from monai_cwmi.losses.skea_topo import SkeaTopoLoss

DEGENERATE = {
    "no border": torch.zeros(1, 1, 6, 7),
    "all border": torch.ones(1, 1, 6, 7),
    "nothing labelled": torch.full((1, 1, 6, 7), 255.0),
    "half labelled": torch.tensor([0.0, 1, 255, 255]).repeat(1, 1, 4, 1),
    "one pixel": torch.ones(1, 1, 1, 1),
    "border pixel": torch.nn.functional.pad(torch.ones(1, 1, 1, 1), (2, 2, 3, 3)),
    "empty volume": torch.zeros(1, 1, 3, 4, 5),
    "full volume": torch.ones(1, 1, 3, 4, 5),
}


@pytest.mark.parametrize("loss_type", LOSSES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("ignore_index", [None, 255])
def test_the_formula_voxel_by_voxel(
    loss_type: type[MappedLoss], shape: tuple[int, ...], channels: int, ignore_index: int | None
) -> None:
    logits, target = example(loss_type, shape, channels, ignore_index)
    activation = {"sigmoid": True} if channels == 1 else EXCLUSIVE
    found = loss_type(**activation, ignore_index=ignore_index, reduction="none")(logits, target)
    # One channel is the border's against all else.
    both = logits if channels > 1 else torch.cat((torch.zeros_like(logits), logits), 1)
    probabilities = torch.softmax(both.detach(), 1).numpy()
    expected = [
        FORMULAS[loss_type](p, t[0], t[1:], t[0] != ignore_index)
        for p, t in zip(probabilities, target.double().numpy(), strict=True)
    ]
    torch.testing.assert_close(found, torch.tensor(expected)[:, None], rtol=1e-9, atol=0)


@pytest.mark.parametrize("loss_type", LOSSES)
def test_two_channels_and_one_are_the_same_loss(loss_type: type[MappedLoss]) -> None:
    logits, target = example(loss_type, SHAPES[0], 2)
    one = loss_type(sigmoid=True)(logits[:, 1:] - logits[:, :1], target)
    torch.testing.assert_close(one, loss_type(**EXCLUSIVE)(logits, target))
    probabilities = torch.softmax(logits, 1)[:, 1:]
    torch.testing.assert_close(loss_type()(probabilities, target), one)
    torch.testing.assert_close(loss_type(other_act=torch.sigmoid)(probabilities.logit(), target), one)
    label = one_hot(target[:, :1], 2)
    torch.testing.assert_close(loss_type(softmax=True)(logits, torch.cat((label, target[:, 1:]), 1)), one)


@pytest.mark.parametrize("loss_type", LOSSES)
def test_reductions(loss_type: type[MappedLoss]) -> None:
    logits, target = example(loss_type, SHAPES[0], 2)
    each = loss_type(**EXCLUSIVE, reduction="none")(logits, target)
    assert each.shape == (2, 1)
    torch.testing.assert_close(loss_type(**EXCLUSIVE)(logits, target), each.mean())
    torch.testing.assert_close(loss_type(**EXCLUSIVE, reduction="sum")(logits, target), each.sum())
    alone = [loss_type(**EXCLUSIVE)(logits[[n]], target[[n]]) for n in range(2)]
    torch.testing.assert_close(torch.stack(alone), each[:, 0])
    # All channels count: there is no cross-entropy without the background.
    without = loss_type(include_background=False, **EXCLUSIVE)(logits, target)
    torch.testing.assert_close(without, each.mean())


@pytest.mark.parametrize("loss_type", LOSSES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 3)])
def test_gradcheck(loss_type: type[MappedLoss], channels: int, shape: tuple[int, ...]) -> None:
    logits, target = example(loss_type, shape, channels, 255)
    loss = loss_type(sigmoid=channels == 1, softmax=channels > 1, to_onehot_y=channels > 1, ignore_index=255)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits)


@pytest.mark.parametrize("loss_type", LOSSES)
@pytest.mark.parametrize("label", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_degenerate_targets_have_a_finite_loss_and_gradient(
    loss_type: type[MappedLoss], label: torch.Tensor, scale: float
) -> None:
    target = with_maps(loss_type, label, 255)
    generator = torch.Generator().manual_seed(0)
    for channels in (1, 2):
        logits = scale * torch.randn(1, channels, *label.shape[2:], generator=generator)
        logits.requires_grad_()
        activation = {"sigmoid": True} if channels == 1 else EXCLUSIVE
        loss = loss_type(**activation, ignore_index=255)(logits, target)
        loss.backward()
        assert loss.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        if (label == 255).all():
            assert loss == 0
            assert not logits.grad.any()


@pytest.mark.parametrize("loss_type", LOSSES)
def test_ignored_voxels_may_hold_anything(loss_type: type[MappedLoss]) -> None:
    logits, target = example(loss_type, SHAPES[0], 2, 255)
    loss = loss_type(**EXCLUSIVE, ignore_index=255)
    expected = loss(logits, target)
    (gradient,) = torch.autograd.grad(expected, logits)
    ignored = target[:, :1] == 255
    assert ignored.any()
    assert not gradient[ignored.expand_as(gradient)].any()
    target[:, 1:] = torch.where(ignored, torch.nan, target[:, 1:])
    found = loss(torch.where(ignored, torch.nan, logits), target)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, logits)[0], gradient)


@pytest.mark.parametrize("loss_type", LOSSES)
def test_the_better_the_prediction_the_smaller_the_loss(loss_type: type[MappedLoss]) -> None:
    _, target = example(loss_type, SHAPES[0], 2)
    label, maps = target[:, 0], target[:, 1:]
    border = label == 1
    if loss_type.num_maps > 1:
        border = border | (maps[:, 0] > maps[:, 1])  # what the border grows into is trained as border
    right = torch.stack((~border, border), 1).float()
    losses = [float(loss_type(**EXCLUSIVE)(sharpness * (2 * right - 1), target)) for sharpness in (-8, -1, 0, 1, 3)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("loss_type", LOSSES)
@pytest.mark.parametrize("shape", [(12, 10), (8, 6, 10)])
def test_deep_supervision_shrinks_maps_with_the_label(loss_type: type[MappedLoss], shape: tuple[int, ...]) -> None:
    logits, target = example(loss_type, shape, 2, 255)
    every_second = (slice(None), slice(None), *[slice(None, None, 2)] * len(shape))
    nearest = (slice(None), slice(None), *[slice(1, None, 2)] * len(shape))  # the voxels that interpolation takes
    loss = loss_type(**EXCLUSIVE, ignore_index=255)
    logits = logits.detach().float().requires_grad_()  # as it adds in
    heads = [logits, logits[every_second]]
    found = DeepSupervisionLoss(loss)(heads, target)
    torch.testing.assert_close(found, loss(logits, target) + 0.5 * loss(heads[1], target[nearest]))
    (gradient,) = torch.autograd.grad(found, logits)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("loss_type", LOSSES)
def test_missing_maps_name_their_transform(loss_type: type[MappedLoss]) -> None:
    logits, target = example(loss_type, SHAPES[0], 2)
    for count in range(1, 1 + loss_type.num_maps):
        with pytest.raises(ValueError, match=rf"{loss_type.needs} to the training's transforms"):
            loss_type(**EXCLUSIVE)(logits, target[:, :count])
    module, name = loss_type.needs.rsplit(".", 1)
    assert hasattr(__import__(module, fromlist=[name]), name)


@pytest.mark.parametrize("loss_type", LOSSES)
def test_channels_that_are_not_exclusive_are_refused(loss_type: type[MappedLoss]) -> None:
    logits, target = example(loss_type, SHAPES[0], 2)
    with pytest.raises(ValueError, match=rf"^{loss_type.__name__} takes one channel, or several after softmax=True, g"):
        loss_type(sigmoid=True, to_onehot_y=True)(logits, target)


@pytest.mark.parametrize("loss_type", LOSSES)
def test_options_are_checked(loss_type: type[MappedLoss]) -> None:
    with pytest.raises(ValueError, match="more than 1 of"):
        loss_type(sigmoid=True, softmax=True)
    with pytest.raises(TypeError, match="other_act"):
        loss_type(other_act=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="median"):
        loss_type(reduction="median")


@pytest.mark.parametrize("loss_type", LOSSES)
@pytest.mark.parametrize("shape", [(12, 9), (8, 7, 5)])
def test_random_transforms_move_the_maps_with_the_label(loss_type: type[MappedLoss], shape: tuple[int, ...]) -> None:
    logits, target = example(loss_type, shape, 2)
    keys = ["label", "logits", "place"]
    data: dict[Any, Any] = {
        "label": target[0, :1].byte(),
        "logits": logits[0].detach(),
        "place": torch.arange(target[0, 0].numel()).reshape(1, *shape),
    }
    pipeline = Compose(
        [
            LOSSES[loss_type]("label"),
            RandFlipd(keys, prob=1, spatial_axis=0),
            RandRotate90d(keys, prob=1, max_k=1),
        ]
    )
    moved = pipeline(data)
    places = moved["place"][0].long()
    assert places.shape == (shape[1], shape[0], *shape[2:])
    assert not torch.equal(places.flatten(), torch.arange(places.numel()))
    torch.testing.assert_close(torch.as_tensor(moved["label"]), target[0].flatten(1)[:, places])
    loss = loss_type(**EXCLUSIVE)
    if isinstance(loss, SkeaTopoLoss):
        loss.lambda_boundary = 0.0  # a skeleton of the turned prediction may lie one pixel off
    expected = loss(logits[:1], target[:1])
    torch.testing.assert_close(loss(moved["logits"][None], moved["label"][None]), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("loss_type", LOSSES)
def test_a_gpu_gives_the_same(loss_type: type[MappedLoss]) -> None:
    logits, target = example(loss_type, SHAPES[0], 2, 255)
    loss = loss_type(**EXCLUSIVE, ignore_index=255)
    found = loss(logits.cuda(), target.cuda())
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), loss(logits, target))
