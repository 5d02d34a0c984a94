from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from monai.losses import DeepSupervisionLoss, MaskedLoss

from cases import PREDICTIONS, SHAPES, example, targets
from monai_cwmi import CWMILoss

MULTI_CLASS: dict[str, Any] = {"softmax": True, "to_onehot_y": True}

FINITE_OPTIONS: dict[str, tuple[dict[str, Any], Callable[[torch.Tensor], torch.Tensor]]] = {
    "probabilities": ({}, lambda p: p),
    "logits": ({"sigmoid": True}, lambda p: 40 * (p - 0.5)),
    "balanced logits": ({"sigmoid": True, "weight": "balanced"}, lambda p: 40 * (p - 0.5)),
    "softmax": ({"softmax": True}, lambda p: torch.cat((20 * (0.5 - p), 20 * (p - 0.5), 0 * p), 1)),
}


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", FINITE_OPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_value_and_gradient_are_finite(shape: tuple[int, int], name: str, dtype: torch.dtype, autocast: bool) -> None:
    options, to_input = FINITE_OPTIONS[name]
    masks = targets(shape)
    target = torch.stack(list(masks.values())).repeat(len(PREDICTIONS), 1, 1)[:, None]
    predictions = torch.stack([f(y) for f in PREDICTIONS.values() for y in masks.values()])[:, None]
    input = to_input(predictions).to(dtype).requires_grad_()
    if name == "softmax":
        target = torch.cat((1 - target, target, 0 * target), dim=1)  # the third class is absent
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = CWMILoss(**options, reduction="none")(input, target)
    (gradient,) = torch.autograd.grad(loss.sum(), input)
    cases = [f"{p} of {y}" for p in PREDICTIONS for y in masks]
    for case, value, slope in zip(cases, loss, gradient, strict=True):
        assert value.isfinite().all(), case
        assert slope.isfinite().all(), case


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (6, 6)])
def test_maps_too_small_for_a_level_leave_cross_entropy_and_dice(size: tuple[int, int]) -> None:
    logits, labels = example(3, size)
    loss = CWMILoss(**MULTI_CLASS)(logits, labels)
    loss.backward()
    assert loss.isfinite()
    base = CWMILoss(**MULTI_CLASS, lambda_mi=0, lambda_residual=0)(logits, labels)
    torch.testing.assert_close(loss, base)


def test_gradient_descent_finds_the_target() -> None:
    target = targets((48, 48))["blobs"][None, None]
    logits = (0.1 * (target - 0.5)).requires_grad_()  # which side is foreground; information alone does the rest
    optimizer = torch.optim.Adam([logits], lr=0.1)
    loss = CWMILoss(sigmoid=True, lambda_ce=0, lambda_dice=0, lambda_residual=0)
    first = float(loss(logits, target))
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(logits, target)
        value.backward()
        optimizer.step()
    assert value.item() < first
    assert ((logits > 0) == target.bool()).float().mean() > 0.99


def test_deep_supervision() -> None:
    logits, labels = example()
    outputs = [logits, logits[..., ::2, ::2], logits[..., ::8, ::8], logits[..., ::16, ::16]]  # the last is 2 x 3
    loss = CWMILoss(**MULTI_CLASS)
    weights = (1, 0.5, 0.25, 0.125)
    parts = [
        w * loss(output, F.interpolate(labels.float(), output.shape[2:], mode="nearest-exact"))
        for w, output in zip(weights, outputs, strict=True)
    ]
    torch.testing.assert_close(DeepSupervisionLoss(loss)(outputs, labels.float()), torch.stack(parts).sum())


@pytest.mark.parametrize("dims", [2, 3])
def test_stacked_heads_are_named_and_the_advice_works(dims: int) -> None:
    from monai.networks.nets import DynUNet

    kernels: list[int] = [3, 3, 3]
    network = DynUNet(dims, 1, 2, kernels, [1, 2, 2], [2, 2], filters=[4, 8, 8], deep_supervision=True, deep_supr_num=1)
    image, labels = torch.randn(2, 1, *[16] * dims), torch.randint(0, 2, (2, 1, *[16] * dims))
    loss = CWMILoss(softmax=True, to_onehot_y=True)
    stacked = network(image)  # (B, heads, C, spatial)
    with pytest.raises(
        (AssertionError, ValueError), match=r"DeepSupervisionLoss\(loss\)\(list\(input.unbind\(1\)\), target\)"
    ):
        loss(stacked, labels)
    heads = list(stacked.unbind(1))
    value = DeepSupervisionLoss(loss)(heads, labels)
    torch.testing.assert_close(value, loss(heads[0], labels) + loss(heads[1], labels) / 2)
    value.backward()


@pytest.mark.parametrize(
    "options", [{}, {"weight": [1.0, 2.0, 5.0]}, {"weight": torch.ones(3)}, {"weight": "balanced"}]
)
def test_losses_are_made_under_a_meta_device(options: dict[str, Any]) -> None:
    with torch.device("meta"):
        loss = CWMILoss(**MULTI_CLASS, **options)
        assert {b.device.type for b in loss.buffers()} <= {"meta", "cpu"}


def test_masked_loss() -> None:
    logits, labels = example(1)
    mask = torch.ones(2, 1, 32, 40)
    mask[..., :10, :10] = 0
    masked = MaskedLoss(CWMILoss(sigmoid=True))
    expected = CWMILoss(sigmoid=True)(logits * mask, labels * mask)
    torch.testing.assert_close(masked(logits, labels, mask), expected)


def test_it_has_no_state_and_survives_copies() -> None:
    logits, labels = example()
    loss = CWMILoss(**MULTI_CLASS, weight=[1.0, 2.0, 3.0])
    expected = loss(logits, labels)
    assert not loss.state_dict()
    assert not list(loss.parameters())
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(other(logits, labels), expected)
    buffer = io.BytesIO()
    torch.save(loss.state_dict(), buffer)
    assert loss.double()(logits.double(), labels).dtype == torch.float64


@pytest.mark.parametrize(
    "options", [MULTI_CLASS, MULTI_CLASS | {"ignore_index": 2}, MULTI_CLASS | {"is_complex": False}]
)
def test_transforms_of_torch_func_give_the_same_gradient(options: dict[str, Any]) -> None:
    logits, labels = example(size=(64, 72))
    loss = CWMILoss(**options)
    (expected,) = torch.autograd.grad(loss(logits, labels), logits)
    plain = logits.detach()
    assert torch.equal(torch.func.grad(loss)(plain, labels), expected)
    value, pull_back = torch.func.vjp(lambda x: loss(x, labels), plain)[:2]
    assert torch.equal(pull_back(torch.ones_like(value))[0], expected)

    network = torch.nn.Conv2d(3, 3, 3, padding=1)
    parameters = dict(network.named_parameters())
    loss(network(plain), labels).backward()
    found = torch.func.grad(lambda p: loss(torch.func.functional_call(network, p, (plain,)), labels))(parameters)
    for name, parameter in parameters.items():
        torch.testing.assert_close(found[name], parameter.grad)


def test_a_jacobian_of_losses_of_images() -> None:
    logits, labels = example(1, (64, 72))
    loss = CWMILoss(sigmoid=True, reduction="none")
    jacobian = torch.func.jacrev(loss, chunk_size=1)(logits.detach(), labels)  # (B, C, B, C, H, W)
    for image in range(2):
        (expected,) = torch.autograd.grad(loss(logits, labels)[image, 0], logits)
        torch.testing.assert_close(jacobian[image, 0], expected)


def test_second_derivatives_are_refused() -> None:
    logits, labels = example(1, (64, 72))
    loss = CWMILoss(sigmoid=True)
    (gradient,) = torch.autograd.grad(loss(logits, labels), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        gradient.sum().backward()
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.func.grad(lambda x: torch.func.grad(loss)(x, labels).sum())(logits.detach())


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"is_complex": False}, {"ignore_index": 255, "weight": "balanced"}])
def test_compiled_whole_for_more_than_one_size(options: dict[str, Any]) -> None:
    torch._dynamo.reset()
    loss = CWMILoss(**MULTI_CLASS, **options)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for size in ((32, 40), (48, 64), (33, 47)):
        logits, labels = example(3, size)
        logits = logits.detach().double().requires_grad_()
        expected, found = loss(logits, labels), compiled(logits, labels)
        torch.testing.assert_close(found, expected)
        gradients = [torch.autograd.grad(value, logits)[0] for value in (found, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
def test_compiled_by_inductor() -> None:
    torch._dynamo.reset()
    logits, labels = example(1)
    compiled = torch.compile(CWMILoss(sigmoid=True), fullgraph=True)
    torch.testing.assert_close(compiled(logits, labels), CWMILoss(sigmoid=True)(logits, labels), rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_gpu_agrees(dtype: torch.dtype) -> None:
    logits, labels = example()
    loss = CWMILoss(**MULTI_CLASS, weight=[1.0, 2.0, 3.0])
    values, gradients = [], []
    for device in ("cpu", "cuda"):
        input = logits.detach().to(device, dtype).requires_grad_()
        with torch.autocast(device, dtype=torch.float16, enabled=device == "cuda"):
            values.append(loss.to(device)(input, labels.to(device)))
        gradients.append(torch.autograd.grad(values[-1], input)[0].cpu().float())
    torch.testing.assert_close(values[1].cpu(), values[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-2, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("num_orientations", [4, 12])
def test_no_step_waits_for_the_gpu(num_orientations: int) -> None:
    logits, labels = (t.detach().cuda() for t in example())
    logits.requires_grad_()
    loss = CWMILoss(**MULTI_CLASS, num_orientations=num_orientations)
    loss(logits, labels).backward()  # makes the tables
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss(logits, labels).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_tf32_changes_nothing() -> None:
    logits, labels = (t.detach().cuda() for t in example())
    loss = CWMILoss(**MULTI_CLASS)
    expected = loss(logits, labels)
    torch.set_float32_matmul_precision("high")
    try:
        torch.testing.assert_close(loss(logits, labels), expected, rtol=0, atol=0)
    finally:
        torch.set_float32_matmul_precision("highest")
