from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from monai_cwmi.losses import voxel_sums as module
from monai_cwmi.losses.preparation import Preparation
from monai_cwmi.losses.voxel_sums import voxel_sums

OPTIONS = [{"sigmoid": True}, {"softmax": True}, {}]
IDS = ["sigmoid", "softmax", "probabilities"]


def pair(options: dict[str, Any], ignored: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    input = torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=generator)
    target = torch.rand(2, 3, 5, 4, dtype=torch.float64, generator=generator)  # soft, so that each product counts
    if ignored:
        target[:, :, 0] = 255
    return (input if options else input.sigmoid()).requires_grad_(), target


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
def test_sums_against_their_definition(options: dict[str, Any], ignored: bool) -> None:
    input, target = pair(options, ignored)
    sums = voxel_sums(Preparation(**options, ignore_index=255 if ignored else None)(input, target))
    p = torch.softmax(input, 1) if "softmax" in options else torch.sigmoid(input) if options else input
    first = 1 if ignored else 0
    p, y = p[:, :, first:].flatten(2), target[:, :, first:].flatten(2)
    torch.testing.assert_close(sums.positive, -(y * p.log()).sum(-1))
    if "softmax" in options:
        assert sums.negative is None
    else:
        torch.testing.assert_close(sums.negative, -((1 - y) * (1 - p).log()).sum(-1))
    torch.testing.assert_close(sums.overlap, (p * y).sum(-1))
    torch.testing.assert_close(sums.prediction, p.sum(-1))
    torch.testing.assert_close(sums.target, y.sum(-1))
    assert (sums.count == p.shape[2]).all()


@pytest.mark.parametrize("block", [1, 7, 2**17])
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
def test_gradients_against_finite_differences(
    options: dict[str, Any], ignored: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    input, target = pair(options, ignored)
    prepare = Preparation(**options, ignore_index=255 if ignored else None)

    def sums(input: torch.Tensor) -> tuple[torch.Tensor, ...]:
        of = voxel_sums(prepare(input, target))
        return tuple(each for each in (of.positive, of.negative, of.overlap, of.prediction) if each is not None)

    assert torch.autograd.gradcheck(sums, input)
    assert torch.autograd.gradgradcheck(sums, input)


def test_blocks_cover_each_value_once() -> None:
    limit = module._BLOCK * torch.get_num_threads()
    for shape in [(3, 2, 100), (5, 1, limit // 2), (2, 3, limit + 1), (1, 1, 3 * limit)]:
        covered = torch.zeros(shape, dtype=torch.int8)
        for images, voxels in module._blocks(torch.empty(shape)):
            block = covered[images, :, voxels]
            assert block.numel() <= limit
            block += 1
        assert (covered == 1).all()


def test_sums_of_sure_predictions_in_single_precision() -> None:
    # 400,000 voxels, all right and sure: their cross-entropy is 4.5e-5 each, which must not drown in sums of logits.
    target = (torch.arange(400_000).reshape(1, 1, 800, 500) % 7 == 0).float()
    logits = 20 * target - 10
    sums = voxel_sums(Preparation(sigmoid=True)(logits, target))
    expected = F.binary_cross_entropy_with_logits(logits.double(), target.double(), reduction="sum")
    assert sums.negative is not None
    torch.testing.assert_close((sums.positive + sums.negative).double().sum(), expected, rtol=0.02, atol=0)
    torch.testing.assert_close(sums.target.double(), target.double().sum((2, 3)), rtol=1e-7, atol=0)
    overlap = (logits.double().sigmoid() * target).sum((2, 3))
    torch.testing.assert_close(sums.overlap.double(), overlap, rtol=1e-6, atol=0)


def test_sums_of_half_precision_are_of_single_precision() -> None:
    input, target = pair(OPTIONS[0])
    sums = voxel_sums(Preparation(sigmoid=True)(input.half(), target))
    assert sums.positive.dtype == sums.overlap.dtype == sums.count.dtype == torch.float32
