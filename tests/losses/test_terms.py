from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from monai.losses import DiceLoss

from monai_cwmi.losses.preparation import Preparation
from monai_cwmi.losses.terms import compared_entropy, compared_pair, dice_loss, reduced
from monai_cwmi.losses.voxel_sums import voxel_sums

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(2, 3, 6, 5, dtype=torch.float64, generator=GENERATOR)
LABELS = torch.randint(0, 3, (2, 1, 6, 5), generator=GENERATOR)
ONE_HOT = F.one_hot(LABELS[:, 0], 3).movedim(-1, 1).double()


@pytest.mark.parametrize("include_background", [True, False])
def test_the_pair_to_compare(include_background: bool) -> None:
    prepare = Preparation(include_background, to_onehot_y=True, softmax=True)
    probabilities, target = compared_pair(prepare(LOGITS, LABELS))
    first = 0 if include_background else 1
    torch.testing.assert_close(probabilities, torch.softmax(LOGITS, 1)[:, first:])
    assert torch.equal(target, ONE_HOT[:, first:])


def test_ignored_voxels_are_zero_in_both() -> None:
    labels = LABELS.clone()
    labels[:, :, 2] = 255
    prepared = Preparation(to_onehot_y=True, softmax=True, ignore_index=255)(LOGITS, labels)
    for found, expected in zip(compared_pair(prepared), (torch.softmax(LOGITS, 1), ONE_HOT), strict=True):
        torch.testing.assert_close(found, torch.where(labels == 255, 0.0, expected))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"softmax": True, "to_onehot_y": True},
            F.cross_entropy(LOGITS, LABELS[:, 0], reduction="none").mean((1, 2))[:, None],
        ),
        ({"sigmoid": True}, F.binary_cross_entropy_with_logits(LOGITS, ONE_HOT, reduction="none").mean((2, 3))),
        ({}, F.binary_cross_entropy(torch.sigmoid(LOGITS), ONE_HOT, reduction="none").mean((2, 3))),
    ],
)
def test_entropy_of_the_channels_to_compare(options: dict[str, Any], expected: torch.Tensor) -> None:
    input, target = (LOGITS if options else torch.sigmoid(LOGITS)), (LABELS if "softmax" in options else ONE_HOT)
    for include_background in (True, False):
        prepare = Preparation(include_background, **options)
        found = compared_entropy(prepare(input, target))
        # All channels make one entropy of exclusive classes, whichever of them are compared.
        torch.testing.assert_close(found, expected if include_background or "softmax" in options else expected[:, 1:])


@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize("ignored", [False, True])
def test_dice_is_monais(include_background: bool, ignored: bool) -> None:
    labels = LABELS.clone()
    labels[1] = labels[1].clamp_max(1)  # without class 2
    if ignored:
        labels[:, :, 2] = 255
    prepare = Preparation(include_background, to_onehot_y=True, softmax=True, ignore_index=255 if ignored else None)
    prepared = prepare(LOGITS, labels)
    monai = DiceLoss(reduction="none", smooth_nr=1, smooth_dr=1)
    found = dice_loss(voxel_sums(prepared))[:, prepared.compared]
    torch.testing.assert_close(found, monai(*compared_pair(prepared)).flatten(1))


def test_reductions() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert reduced(values, "mean").item() == 3
    assert reduced(values, "sum").item() == 12
    assert torch.equal(reduced(values, "none"), values)
