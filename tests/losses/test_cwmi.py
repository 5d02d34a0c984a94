from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from monai.networks import one_hot

from cases import example
from monai_cwmi import CWMILoss, SteerablePyramid
from monai_cwmi.bands.spec import BandOptions
from monai_cwmi.functional import measure_bands, mutual_information
from monai_cwmi.measures import MutualInformation, ResidualError

MULTI_CLASS: dict[str, Any] = {"softmax": True, "to_onehot_y": True}
WEIGHTS = ("lambda_ce", "lambda_dice", "lambda_mi", "lambda_residual")
# The published loss, in 4 levels of 4 orientations: the information is their sum.
PUBLISHED: dict[str, Any] = {
    "lambda_ce": 0.9,
    "lambda_dice": 0,
    "lambda_mi": 16,
    "lambda_residual": 0,
    "weight": None,
    "gate": False,
    "levels": [1, 2, 3, 4],
}


def correlated(channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that say something about the labels, in images with room for four levels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, max(channels, 2), (2, 1, 16, 18), generator=generator).repeat_interleave(4, 2)
    labels = labels.repeat_interleave(4, 3)
    noise = torch.randn(2, channels, 64, 72, generator=generator)
    signal = one_hot(labels, channels) if channels > 1 else labels
    return (2 * signal + noise).requires_grad_(), labels


def test_it_is_the_sum_of_its_terms() -> None:
    logits, labels = correlated()
    probabilities, target = torch.softmax(logits, 1), one_hot(labels, 3)
    options = BandOptions(only_comparable=True)
    information, error = measure_bands(probabilities, target, [MutualInformation(), ResidualError()], options)
    assert information.shape == (4, 2, 3)
    expected = (
        0.7 * F.cross_entropy(logits, labels[:, 0])
        + 0.2 * DiceLoss(smooth_nr=1, smooth_dr=1)(probabilities, target)
        - 0.3 * information.mean() / 4
        + 0.4 * error.mean()
    )
    weights: dict[str, Any] = {"lambda_ce": 0.7, "lambda_dice": 0.2, "lambda_mi": 0.3, "lambda_residual": 0.4}
    weights |= {"weight": None, "gate": False}
    torch.testing.assert_close(CWMILoss(**MULTI_CLASS, **weights)(logits, labels), expected)


def test_the_published_loss_is_a_setting() -> None:
    logits, labels = example()
    information = mutual_information(torch.softmax(logits, 1), one_hot(labels, 3))  # (N, B, C)
    expected = 0.9 * F.cross_entropy(logits, labels[:, 0]) - information.sum(0).mean()
    torch.testing.assert_close(CWMILoss(**MULTI_CLASS, **PUBLISHED)(logits, labels), expected)


def test_the_terms_by_themselves() -> None:
    logits, labels = correlated()
    loss = CWMILoss(**MULTI_CLASS, lambda_mi=0.0, lambda_residual=1, include_background=False, weight=None, gate=False)
    terms = loss.terms(logits, labels)
    names = ["cross_entropy", "dice", "mutual_information", "highpass_error", "lowpass_error"]
    assert list(terms) == list(loss.weights) == list(loss.signs) == names
    entropy, dice, information, *errors = terms.values()
    error = torch.stack(errors)
    torch.testing.assert_close(entropy, F.cross_entropy(logits, labels[:, 0], reduction="none").mean((1, 2))[:, None])
    pair = torch.softmax(logits, 1)[:, 1:], one_hot(labels, 3)[:, 1:]
    torch.testing.assert_close(dice.mean(), DiceLoss(smooth_nr=1, smooth_dr=1)(*pair))
    torch.testing.assert_close(information, mutual_information(*pair) / 4)
    torch.testing.assert_close(error, measure_bands(*pair, [ResidualError()], BandOptions())[0])
    loss.lambda_mi, loss.lambda_residual = 0.3, 0.1
    expected = entropy.mean() + dice.mean() - 0.3 * information.mean() + 0.1 * error.mean()
    torch.testing.assert_close(loss(logits, labels), expected)
    for level in (*information, *error):
        (gradient,) = torch.autograd.grad(level.sum(), logits, retain_graph=True)
        assert gradient.abs().max() > 0


def test_information_counts_where_bands_correlate_positively() -> None:
    logits, labels = correlated(1)
    target = labels.double()
    pyramid = SteerablePyramid()
    fine = target - torch.nn.functional.avg_pool2d(target, 9, 1, 4)  # an opposed coarse, an upright fine structure
    for prediction in (torch.sigmoid(logits.double()), 0.6 - 0.5 * target + 0.4 * fine.clamp_min(0), 1 - target):
        gated, free = (CWMILoss(gate=gate).terms(prediction, target)["mutual_information"] for gate in (True, False))
        for level, (p, y) in enumerate(zip(pyramid(prediction.detach()).bands, pyramid(target).bands, strict=True)):
            for image in range(2):
                correlation = np.vdot(p[image].numpy(), y[image].numpy()).real
                expected = free[level, image].item() if correlation > 0 else 0.0
                assert gated[level, image].item() == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert gated.abs().max() == 0
    assert free.min() > 1


def test_sigmoid_channels_are_losses_by_themselves() -> None:
    logits, labels = example()
    logits, target = logits.double(), one_hot(labels, 3)
    found = CWMILoss(sigmoid=True, reduction="none")(logits, target)
    for c in range(3):
        alone = CWMILoss(sigmoid=True, reduction="none")(logits[:, c : c + 1], target[:, c : c + 1])
        torch.testing.assert_close(found[:, c : c + 1], alone)


def test_probabilities_and_logits_agree() -> None:
    logits, labels = example(1)
    expected = CWMILoss(sigmoid=True)(logits, labels)
    torch.testing.assert_close(CWMILoss()(torch.sigmoid(logits), labels), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(CWMILoss(other_act=torch.sigmoid)(logits, labels), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("include_background", [True, False])
def test_reductions(include_background: bool) -> None:
    logits, labels = example()
    options = MULTI_CLASS | {"include_background": include_background}
    none = CWMILoss(**options, reduction="none")(logits, labels)
    assert none.shape == (2, 3 if include_background else 2)
    torch.testing.assert_close(CWMILoss(**options)(logits, labels), none.mean())
    torch.testing.assert_close(CWMILoss(**options, reduction="sum")(logits, labels), none.sum())


def test_the_background_of_two_classes_adds_no_information() -> None:
    logits, labels = example(2)
    both, foreground = (
        CWMILoss(**MULTI_CLASS, lambda_dice=0, lambda_residual=0, include_background=b)(logits, labels)
        for b in (True, False)
    )
    torch.testing.assert_close(both, foreground)


def test_the_options_reach_the_information() -> None:
    logits, labels = correlated(1)
    values = [
        CWMILoss(sigmoid=True, **options)(logits, labels).item()
        for options in (
            {},
            {"num_levels": 2},
            {"num_orientations": 6},
            {"is_complex": False},
            {"frequency_grid": "published", "lambda_residual": 0},
            {"lambda_residual": 0},
            {"levels": [1, 2, 3]},
            {"gate": False, "levels": [4]},
            {"alpha": 10.0},
            {"lambda_mi": 0.5},
            {"lambda_ce": 0.5},
            {"lambda_dice": 0.5},
            {"weight": None},
            {"weight": "balanced"},
            {"weight": [3.0]},
        )
    ]
    assert all(abs(a - b) > 1e-6 for a, b in itertools.combinations(values, 2))


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_weights_that_are_zero_switch_a_term_off(reduction: str) -> None:
    logits, labels = correlated(1)
    options: dict[str, Any] = {"sigmoid": True, "reduction": reduction}
    off, on = (dict.fromkeys(WEIGHTS, value) for value in (0.0, 1.0))
    parts = [CWMILoss(**options | off | {name: 1.0})(logits, labels) for name in WEIGHTS]
    whole = CWMILoss(**options | on)(logits, labels)
    torch.testing.assert_close(torch.stack(parts).sum(0), whole)
    assert (parts[2] < 0).all()


def test_weights_that_are_all_zero_leave_a_graph() -> None:
    logits, labels = example(1)
    options: dict[str, Any] = dict.fromkeys(WEIGHTS, 0.0)
    CWMILoss(sigmoid=True, **options)(logits, labels).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


def test_without_softmax_the_background_is_left_out_of_both_terms() -> None:
    logits, labels = example()
    target = one_hot(labels, 3)
    found = CWMILoss(sigmoid=True, include_background=False, reduction="none")(logits, target)
    expected = CWMILoss(sigmoid=True, reduction="none")(logits[:, 1:], target[:, 1:])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_class_that_is_ruled_out_costs_nothing_elsewhere() -> None:
    logits, labels = example()
    logits = torch.where(torch.tensor([True, True, False])[:, None, None], logits, -torch.inf)
    labels = labels.clamp_max(1)
    logits = logits.detach().requires_grad_()
    loss = CWMILoss(**MULTI_CLASS, weight=None, lambda_mi=0, lambda_dice=0, lambda_residual=0)(logits, labels)
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels[:, 0]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.isfinite().all()


def test_a_scheduler_may_set_the_weights() -> None:
    logits, labels = correlated(1)
    loss = CWMILoss(sigmoid=True, lambda_mi=0)
    before = loss(logits, labels)
    loss.lambda_mi = 1.0
    assert loss(logits, labels) < before


@pytest.mark.parametrize("options", [MULTI_CLASS, {"sigmoid": True}, {"weight": "balanced"} | MULTI_CLASS])
def test_ignored_voxels_count_in_neither_term(options: dict[str, Any]) -> None:
    logits, labels = example(3 if "softmax" in options else 1)
    labels[..., 5:15, 10:20] = 255
    loss = CWMILoss(**options, ignore_index=255)
    expected = loss(logits, labels)
    (gradient,) = torch.autograd.grad(expected, logits)
    assert gradient[..., 5:15, 10:20].abs().max() == 0
    assert gradient.abs().max() > 0
    spoilt = logits.detach().clone()
    spoilt[..., 5:15, 10:20] = torch.nan
    torch.testing.assert_close(loss(spoilt, labels), expected)


def test_the_edges_of_what_is_ignored_are_no_information() -> None:
    logits, labels = correlated(1)
    labels[..., 5:15, 10:20] = 255
    loss = CWMILoss(
        sigmoid=True, lambda_ce=0, lambda_dice=0, lambda_mi=1, lambda_residual=0, gate=False, ignore_index=255
    )
    assert loss(torch.zeros_like(logits), labels).abs() < 1e-5
    mask = labels != 255
    expected = -mutual_information(torch.sigmoid(logits), labels * mask, mask=mask).mean() / 4
    torch.testing.assert_close(loss(logits, labels), expected)


def test_nan_gives_nan() -> None:
    logits, labels = correlated()
    with torch.no_grad():
        logits[0, 0, 3, 3] = torch.nan
    off = dict.fromkeys(WEIGHTS, 0.0)
    for options in (MULTI_CLASS, *(MULTI_CLASS | off | {name: 1.0} for name in WEIGHTS)):
        values = CWMILoss(**options, reduction="none")(logits, labels)
        assert values[0].isnan().any()
        assert values[1].isfinite().all()


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"other_act": "tanh"}, TypeError, "other_act"),
        ({"sigmoid": True, "softmax": True}, ValueError, "more than 1 of"),
        ({"reduction": "median"}, ValueError, "median"),
        ({"weight": "inverse"}, ValueError, "balanced"),
        ({"weight": [-1.0, 1.0]}, ValueError, "weight must not be negative"),
        ({"lambda_mi": -1}, ValueError, "lambda_mi"),
        ({"lambda_ce": float("nan")}, ValueError, "lambda_ce"),
        ({"num_levels": 0}, ValueError, "num_levels"),
        ({"num_orientations": 1}, ValueError, "num_orientations"),
        ({"frequency_grid": "shifted"}, ValueError, "frequency_grid"),
        ({"alpha": 0}, ValueError, "alpha"),
        ({"alpha": float("inf")}, ValueError, "alpha"),
        ({"lambda_mi": float("inf")}, ValueError, "lambda_mi"),
        ({"lambda_residual": -1}, ValueError, "lambda_residual"),
        ({"lambda_dice": -1}, ValueError, "lambda_dice"),
        ({"frequency_grid": "published"}, ValueError, "set lambda_residual to 0"),
        ({"weight": [float("inf")]}, ValueError, "weight"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        CWMILoss(**options)


def test_bad_input_is_named() -> None:
    logits, labels = example()
    with pytest.raises(AssertionError, match="different shape"):
        CWMILoss(softmax=True)(logits, labels)
    with pytest.raises(ValueError, match="from 0 to 3, but input has 3 channels"):
        CWMILoss(**MULTI_CLASS)(logits, labels + (labels == 2))
    with pytest.raises(ValueError, match="weight has 2 values, but input has 3 channels"):
        CWMILoss(**MULTI_CLASS, weight=[1.0, 2.0])(logits, labels)
    with pytest.raises(ValueError, match=r"\(B, C, H, W\) or \(B, C, H, W, D\)"):
        CWMILoss(**MULTI_CLASS)(logits[..., 0], labels[..., 0])


def test_it_shows_its_weights() -> None:
    text = "CWMILoss(softmax, lambda_ce=1, lambda_dice=0.5, lambda_mi=0.25, lambda_residual=0.3)"
    assert repr(CWMILoss(**MULTI_CLASS, lambda_dice=0.5)) == text
