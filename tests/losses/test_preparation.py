from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from monai_cwmi.losses.preparation import Preparation

LABELS = torch.tensor([[[[0, 1], [2, 1]]]])  # (1, 1, 2, 2)


# Three channels that may overlap; the first voxel has none of them, the third is unknown in one.
MULTI_LABEL = torch.tensor([[[[0, 1], [0, 1]], [[0, 1], [255, 0]], [[0, 0], [1, 0]]]])


def logits(channels: int = 3, **options: Any) -> torch.Tensor:
    return torch.randn(1, channels, 2, 2, generator=torch.Generator().manual_seed(0), **options)


def test_softmax_and_one_hot() -> None:
    prepared = Preparation(softmax=True, to_onehot_y=True)(logits(), LABELS)
    torch.testing.assert_close(prepared.probabilities, torch.softmax(logits(), 1))
    assert torch.equal(prepared.target.argmax(1, keepdim=True), LABELS)
    assert prepared.is_exclusive
    assert prepared.mask is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sigmoid": True}, torch.sigmoid(logits())),
        ({"other_act": lambda x: x.abs() / (1 + x.abs())}, logits().abs() / (1 + logits().abs())),
    ],
)
def test_other_activations(options: dict[str, Any], expected: torch.Tensor) -> None:
    prepared = Preparation(**options)(logits(), torch.ones(1, 3, 2, 2))
    torch.testing.assert_close(prepared.probabilities, expected)
    assert not prepared.is_exclusive


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int64, torch.bool, torch.float16, torch.float64])
def test_targets_of_any_dtype(dtype: torch.dtype) -> None:
    prepared = Preparation(sigmoid=True)(logits(1), (LABELS > 0).to(dtype))
    assert torch.equal(prepared.target, (LABELS > 0).float())
    prepared = Preparation(softmax=True, to_onehot_y=True)(logits(2), (LABELS > 0).to(dtype))
    assert torch.equal(prepared.target[:, 1:], (LABELS > 0).float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_single(dtype: torch.dtype) -> None:
    assert Preparation(sigmoid=True)(logits(1).to(dtype), LABELS > 0).probabilities.dtype == torch.float32
    assert Preparation(sigmoid=True)(logits(1).double(), LABELS > 0).target.dtype == torch.float64


def test_meta_tensors_become_plain() -> None:
    prepared = Preparation(softmax=True, to_onehot_y=True)(MetaTensor(logits()), MetaTensor(LABELS))
    assert type(prepared.logits) is type(prepared.target) is torch.Tensor


def test_the_background_is_left_out_of_the_comparison_only() -> None:
    prepared = Preparation(include_background=False, softmax=True, to_onehot_y=True)(logits(), LABELS)
    assert prepared.target.shape[1] == 3
    assert prepared.target[:, prepared.compared].shape[1] == 2


@pytest.mark.parametrize(
    ("options", "target", "expected"),
    [
        ({"to_onehot_y": True, "ignore_index": 255}, LABELS.masked_fill(LABELS == 2, 255), [[1, 1], [0, 1]]),
        ({"to_onehot_y": True, "ignore_index": 1}, LABELS, [[1, 0], [1, 0]]),
        ({"ignore_index": -1}, torch.tensor([[[[1, 0], [1, 0]]]]).expand(1, 3, 2, 2), [[1, 0], [1, 0]]),
        ({"ignore_index": 255, "softmax": False, "sigmoid": True}, MULTI_LABEL, [[1, 1], [0, 1]]),
    ],
)
def test_ignored_voxels(options: dict[str, Any], target: torch.Tensor, expected: list[list[int]]) -> None:
    spoilt = logits()
    spoilt[..., ~torch.tensor(expected).bool()] = torch.nan
    prepared = Preparation(**{"softmax": True} | options)(spoilt, target)
    assert prepared.mask is not None
    assert prepared.mask[0, 0].int().tolist() == expected
    assert prepared.probabilities.isfinite().all()
    assert (prepared.target * ~prepared.mask).abs().max() == 0


@pytest.mark.parametrize("option", ["softmax", "to_onehot_y", "include_background"])
def test_options_without_meaning_for_one_channel_are_ignored_with_a_warning(option: str) -> None:
    options: dict[str, Any] = {option: option != "include_background"}
    prepare = Preparation(**options)
    with pytest.warns(UserWarning, match=f"single channel prediction, `{option}=.*` ignored"):
        prepared = prepare(torch.full((1, 1, 2, 2), 0.3), torch.ones(1, 1, 2, 2))
    assert prepared.probabilities[:, prepared.compared].mean() == pytest.approx(0.3)


def test_bad_options_are_named() -> None:
    with pytest.raises(TypeError, match="other_act must be None or callable but is str"):
        Preparation(other_act="tanh")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="more than 1 of"):
        Preparation(sigmoid=True, softmax=True)


@pytest.mark.parametrize(
    ("options", "input", "target", "error", "named"),
    [
        ({"sigmoid": True}, logits(1), torch.ones(1, 1, 2, 3), AssertionError, "different shape"),
        ({"sigmoid": True}, logits(1), torch.ones(2, 2), AssertionError, "different shape"),
        ({"sigmoid": True}, logits(1)[:0], torch.ones(0, 1, 2, 2), ValueError, r"empty: its shape is \(0, 1, 2, 2\)"),
        ({"softmax": True}, logits(), LABELS, AssertionError, "different shape"),
        ({"softmax": True, "to_onehot_y": True}, logits(), torch.ones(1, 3, 2, 2), AssertionError, "one channel"),
        ({"softmax": True, "to_onehot_y": True}, logits(), LABELS + 1, ValueError, "from 1 to 3, but input has 3"),
        ({"softmax": True, "to_onehot_y": True}, logits(), LABELS - 1, ValueError, "from -1 to 1"),
        ({"softmax": True, "to_onehot_y": True}, logits(), LABELS + 0.5, ValueError, "from 0.5 to 2.5|whole numbers"),
        ({"softmax": True, "to_onehot_y": True}, logits(), LABELS * 0.5, ValueError, "not whole numbers"),
        ({"sigmoid": True}, logits(1), LABELS * 127, ValueError, "target must lie in .* to 254. .*to_onehot_y"),
        ({}, 10 * logits(1), LABELS > 0, ValueError, "input must lie in .* need sigmoid=True"),
        (
            {"sigmoid": True},
            logits(1).long(),
            LABELS > 0,
            TypeError,
            "input must be of floating point, got torch.int64",
        ),
        ({"other_act": torch.exp}, logits(1), LABELS > 0, ValueError, "input must lie in"),
    ],
)
def test_bad_input_is_named(
    options: dict[str, Any], input: torch.Tensor, target: torch.Tensor, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        Preparation(**options)(input, target)


def test_what_rounding_puts_beyond_the_range_is_cut_off() -> None:
    prepared = Preparation()(torch.tensor([-5e-4, 0.5, 1.0005, torch.nan]).reshape(1, 1, 2, 2), LABELS > 0)
    assert prepared.probabilities.flatten()[:3].tolist() == [0, 0.5, 1]
    assert prepared.probabilities.flatten()[3].isnan()
