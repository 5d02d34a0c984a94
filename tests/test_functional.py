from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import golden
from cases import PREDICTIONS, SHAPES, targets
from monai_cwmi import SteerablePyramid
from monai_cwmi.functional import conditional_entropy, mutual_information

DTYPES = [torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", golden.NAMES)
def test_agreement_with_the_released_code(name: str, dtype: torch.dtype) -> None:
    expected = golden.load(name, dtype)
    value_tolerance, gradient_tolerance = golden.tolerances(name, dtype)
    terms = conditional_entropy(expected.prediction, expected.target, **expected.options)  # (N, B, 1)
    (gradient,) = torch.autograd.grad(terms.mean((1, 2)).sum(), expected.prediction)
    assert golden.relative_error(terms[..., 0], expected.level_terms) < value_tolerance
    assert golden.relative_error(gradient, expected.gradient) < gradient_tolerance


def test_all_golden_files_are_there() -> None:
    assert len(golden.NAMES) == 10


@pytest.mark.parametrize("name", golden.NAMES)
def test_information_has_the_opposite_gradient(name: str) -> None:
    prediction, target, _, _, options = golden.load(name, torch.float64)
    gradients = [
        torch.autograd.grad(terms(prediction, target, **options).sum(), prediction)[0]
        for terms in (conditional_entropy, mutual_information)
    ]
    torch.testing.assert_close(gradients[0], -gradients[1], rtol=1e-9, atol=1e-12)


def random_pair(*shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(*shape, dtype=dtype, generator=generator) > 0.6).to(dtype)
    prediction = 0.3 * target + 0.6 * torch.rand(*shape, dtype=dtype, generator=generator)
    return prediction.requires_grad_(), target


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("shape", [(32, 32), (33, 48), (37, 50)])
def test_information_is_that_of_the_pyramids_subbands(shape: tuple[int, int], is_complex: bool) -> None:
    prediction, target = random_pair(2, 2, *shape)
    alpha = 5e-4
    found = mutual_information(prediction, target, is_complex=is_complex, num_orientations=3, alpha=alpha)
    pyramid = SteerablePyramid(num_orientations=3, is_complex=is_complex)
    for level, (y, p) in enumerate(zip(pyramid(target).bands, pyramid(prediction).bands, strict=True)):
        g_yy, g_yp, g_pp = (torch.einsum("bcjhw,bckhw->bcjk", a, b.conj()) for a, b in ((y, y), (y, p), (p, p)))
        ridge = alpha * torch.eye(3, dtype=g_pp.dtype)
        conditional = g_yy - g_yp @ torch.linalg.inv(g_pp + ridge) @ g_yp.mH
        expected = torch.linalg.slogdet(g_yy).logabsdet - torch.linalg.slogdet(conditional).logabsdet
        torch.testing.assert_close(found[level], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("frequency_grid", ["centred", "published"])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("shape", [(8, 8), (9, 12), (11, 8)])
def test_gradients_agree_with_finite_differences(shape: tuple[int, int], is_complex: bool, frequency_grid: str) -> None:
    prediction, target = random_pair(1, 2, *shape)
    # Two levels: a third would have fewer frequencies than orientations, and the value's null directions only noise.
    options: dict[str, Any] = {"num_levels": 2, "num_orientations": 3, "is_complex": is_complex}
    options["frequency_grid"] = frequency_grid
    assert torch.autograd.gradcheck(lambda p: mutual_information(p, target, **options), prediction)


def test_masked_gradients_agree_with_finite_differences() -> None:
    prediction, target = random_pair(1, 2, 9, 10)
    mask = torch.ones(1, 1, 9, 10)
    mask[..., :2, :3] = 0
    assert torch.autograd.gradcheck(lambda p: conditional_entropy(p, target, num_levels=2, mask=mask), prediction)


@pytest.mark.parametrize(("shape", "levels"), [((1, 1), 0), ((2, 9), 0), ((6, 6), 2), ((8, 8), 2), ((17, 300), 4)])
def test_the_levels_that_fit_are_used(shape: tuple[int, int], levels: int) -> None:
    prediction, target = random_pair(2, 3, *shape)
    terms = mutual_information(prediction, target)
    assert terms.shape == (levels, 2, 3)
    (gradient,) = torch.autograd.grad(terms.sum(), prediction)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("num_orientations", [4, 12])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_finite_and_information_is_not_negative(
    shape: tuple[int, int], is_complex: bool, num_orientations: int
) -> None:
    masks = targets(shape)
    target = torch.stack(list(masks.values())).expand(len(PREDICTIONS), -1, -1, -1)  # (predictions, targets, H, W)
    predictions = torch.stack([torch.stack([f(y) for y in masks.values()]) for f in PREDICTIONS.values()])
    for dtype, slack in ((torch.float32, 0.2), (torch.float64, 1e-2)):
        prediction = predictions.to(dtype).requires_grad_()
        information = mutual_information(
            prediction, target, is_complex=is_complex, num_orientations=num_orientations
        )  # (N, predictions, targets)
        (gradient,) = torch.autograd.grad(information.sum(), prediction)
        for i, prediction_name in enumerate(PREDICTIONS):
            for j, target_name in enumerate(masks):
                case = f"{prediction_name} of {target_name}, {dtype}"
                assert information[:, i, j].isfinite().all(), case
                assert gradient[i, j].isfinite().all(), case
                assert information[:, i, j].min() > -slack, case


@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_says_nothing_and_nothing_is_said_of_one(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    for dtype in DTYPES:
        noise = torch.rand(1, 1, *shape, dtype=dtype, generator=generator)
        for value in (0.0, 0.3, 1.0):
            constant = torch.full_like(noise, value).requires_grad_()
            assert mutual_information(constant, noise).abs().max() < 1e-5
            about = mutual_information(noise.requires_grad_(), constant.detach())
            (gradient,) = torch.autograd.grad(about.sum(), noise)
            assert about.abs().max() < 1e-5
            assert gradient.abs().max() < 1e-5


SAME_INFORMATION: dict[str, Callable[[Tensor], Tensor]] = {
    "shift": lambda x: x.roll((3, 5), (2, 3)),
    "half turn": lambda x: x.flip((2, 3)),
    "flip": lambda x: x.flip(2),
    "quarter turn": lambda x: x.rot90(1, (2, 3)),
}


@pytest.mark.parametrize(
    ("name", "is_complex"),
    # A flip or a quarter turn swaps the half planes of some analytic filters and not of others, which only the real
    # pyramid does not notice.
    [("shift", True), ("half turn", True), *((name, False) for name in SAME_INFORMATION)],
)
def test_moving_both_images_changes_nothing(name: str, is_complex: bool) -> None:
    prediction, target = random_pair(2, 1, 48, 40)
    change = SAME_INFORMATION[name]
    changed = mutual_information(change(prediction), change(target), is_complex=is_complex)
    torch.testing.assert_close(
        changed, mutual_information(prediction, target, is_complex=is_complex), rtol=1e-9, atol=0
    )


@pytest.mark.parametrize("is_complex", [True, False])
def test_an_inverted_prediction_says_as_much(is_complex: bool) -> None:
    prediction, target = random_pair(2, 1, 48, 40)
    expected = mutual_information(prediction, target, is_complex=is_complex)
    torch.testing.assert_close(mutual_information(1 - prediction, target, is_complex=is_complex), expected)


def test_items_of_a_batch_do_not_mix() -> None:
    prediction, target = random_pair(3, 2, 24, 24)
    batch = mutual_information(prediction, target)
    for b in range(3):
        for c in range(2):
            alone = mutual_information(prediction[b : b + 1, c : c + 1], target[b : b + 1, c : c + 1])
            torch.testing.assert_close(batch[:, b, c], alone[:, 0, 0])


def test_the_better_of_two_predictions_holds_more_information() -> None:
    target = targets((64, 64))["blobs"][None, None].double()
    noise = torch.rand(target.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = [float(mutual_information((1 - x) * target + x * noise, target).sum()) for x in (0, 0.1, 0.3, 0.6, 1)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.2 * values[0]


def test_what_is_masked_does_not_count() -> None:
    prediction, target = random_pair(2, 2, 32, 32)
    mask = torch.ones(2, 1, 32, 32)
    mask[..., 10:20, 5:15] = 0
    expected = mutual_information(prediction, target, mask=mask)
    (gradient,) = torch.autograd.grad(expected.sum(), prediction)
    assert gradient[mask.expand_as(gradient) == 0].abs().max() == 0
    spoilt = torch.where(mask.bool(), prediction, torch.nan)
    torch.testing.assert_close(mutual_information(spoilt, 7 * (1 - mask) + target, mask=mask), expected)
    constant = mutual_information(torch.full_like(prediction, 0.3), target, mask=mask)
    assert constant.abs().max() < 1e-9  # the mask's own edges are no information
    assert mutual_information(prediction, target, mask=0 * mask).abs().max() < 1e-9
    torch.testing.assert_close(
        mutual_information(prediction, target, mask=0 * mask + 1), mutual_information(prediction, target)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    prediction, target = random_pair(1, 1, 32, 32, dtype=torch.float32)
    half = prediction.detach().to(dtype).requires_grad_()
    information = mutual_information(half, target.to(torch.uint8))
    assert information.dtype == torch.float32
    torch.testing.assert_close(information, mutual_information(half.float(), target), rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(information.sum(), half)
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_changes_nothing(dtype: torch.dtype) -> None:
    prediction, target = random_pair(1, 1, 32, 32, dtype=torch.float32)
    expected = mutual_information(prediction, target)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), prediction)
    with torch.autocast("cpu", dtype=dtype):
        information = mutual_information(prediction, target)
        (gradient,) = torch.autograd.grad(information.sum(), prediction)
    assert torch.equal(information, expected)
    assert torch.equal(gradient, expected_gradient)


def test_nan_gives_nan() -> None:
    prediction, target = random_pair(2, 1, 16, 16)
    with torch.no_grad():
        prediction[0, 0, 3, 3] = torch.nan
    for terms in (conditional_entropy, mutual_information):
        values = terms(prediction, target)
        assert values[:, 0].isnan().all()
        assert values[:, 1].isfinite().all()


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"target": torch.rand(1, 1, 8, 9)}, ValueError, r"one shape \(B, C, H, W\)"),
        ({"prediction": torch.rand(8, 8), "target": torch.rand(8, 8)}, ValueError, r"one shape \(B, C, H, W\)"),
        ({"prediction": torch.ones(1, 1, 8, 8, dtype=torch.int64)}, TypeError, "floating point"),
        ({"mask": torch.ones(1, 1, 8, 9)}, ValueError, "mask must have"),
        ({"alpha": 0.0}, ValueError, "alpha"),
        ({"num_levels": 0}, ValueError, "num_levels"),
        ({"num_orientations": 1}, ValueError, "num_orientations"),
        ({"frequency_grid": "odd"}, ValueError, "frequency_grid"),
    ],
)
def test_bad_input_is_named(options: dict[str, Any], error: type[Exception], named: str) -> None:
    arguments: dict[str, Any] = {"prediction": torch.rand(1, 1, 8, 8), "target": torch.rand(1, 1, 8, 8)} | options
    with pytest.raises(error, match=named):
        mutual_information(**arguments)
