"""Small networks that learn with the loss, in the manner of MONAI's own tests of its losses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_cwmi import CWMILoss

pytestmark = pytest.mark.slow

Loss = Callable[[Tensor, Tensor], Tensor]


def negatives(seed: int, count: int = 4) -> tuple[Tensor, Tensor]:
    """Noisy images ``(count, 1, 40, 48)``, dark where the binary target is 1."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 5, 6, generator=generator)
    target = (torch.nn.functional.interpolate(coarse, size=(40, 48), mode="bicubic") > 0.55).float()
    return 1 - target + 0.5 * torch.randn(target.shape, generator=generator), target


def small_network(channels: int) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(8, channels, 5, padding=2)
    )


def train(network: torch.nn.Module, loss: Loss, data: tuple[Tensor, Tensor], steps: int) -> list[float]:
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    history = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(network(data[0]), data[1])
        value.backward()
        optimizer.step()
        history.append(value.item())
    return history


@torch.no_grad()
def dice(network: torch.nn.Module, data: tuple[Tensor, Tensor]) -> float:
    logits, target = network(data[0]), data[1].bool()
    predicted = logits > 0 if logits.shape[1] == 1 else logits.argmax(1, keepdim=True) == 1
    return float(2 * (predicted & target).sum() / (predicted.sum() + target.sum()))


@pytest.mark.parametrize(
    ("channels", "options"),
    [
        (1, {"sigmoid": True}),
        (1, {"sigmoid": True, "is_complex": False}),
        (2, {"softmax": True, "to_onehot_y": True}),
        (2, {"softmax": True, "to_onehot_y": True, "include_background": False, "weight": "balanced"}),
    ],
)
def test_a_small_network_learns_to_segment_negatives(channels: int, options: dict[str, Any]) -> None:
    training, unseen = negatives(0), negatives(1)
    network, loss = small_network(channels), CWMILoss(**options)
    start = dice(network, unseen)  # 0.66 is all foreground
    history = train(network, loss, training, 90)
    assert history[-1] < history[0] - 1
    assert start < 0.7
    assert dice(network, unseen) > 0.95


@pytest.fixture(scope="module")
def upright() -> torch.nn.Sequential:
    """A network that has learnt the task."""
    network = small_network(1)
    train(network, CWMILoss(sigmoid=True), negatives(0), 70)
    return network


def mirrored(network: torch.nn.Sequential) -> torch.nn.Sequential:
    """The network that says ``1 - p`` where the other says ``p``."""
    opposite = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in opposite[-1].parameters():
            parameter.neg_()
    return opposite


def test_information_without_the_gate_is_as_content_with_the_mirrored_solution(upright: torch.nn.Sequential) -> None:
    training, unseen = negatives(0), negatives(1)
    same, opposite = copy.deepcopy(upright), mirrored(upright)
    loss = CWMILoss(sigmoid=True, lambda_ce=0, lambda_dice=0, lambda_residual=0, gate=False)
    histories = [train(network, loss, training, 40) for network in (same, opposite)]
    torch.testing.assert_close(*(torch.tensor(history) for history in histories), rtol=1e-3, atol=0)
    assert dice(same, unseen) > 0.95
    assert dice(opposite, unseen) < 0.1


def test_the_mirrored_solution_is_left_unless_the_loss_is_the_published_one(upright: torch.nn.Sequential) -> None:
    """Why the published loss needs a warm-up: once set out for the mirrored solution, it stays."""
    training, unseen = negatives(0), negatives(1)
    stuck, recovered = mirrored(upright), mirrored(upright)
    published: dict[str, Any] = {
        "lambda_ce": 0.9,
        "lambda_dice": 0,
        "lambda_mi": 16,
        "lambda_residual": 0,
        "gate": False,
    }
    train(stuck, CWMILoss(sigmoid=True, levels=[1, 2, 3, 4], weight=None, **published), training, 100)
    assert dice(stuck, unseen) < 0.1

    train(recovered, CWMILoss(sigmoid=True), training, 100)
    assert dice(recovered, unseen) > 0.95
