"""What a step of the loss costs, against the Fourier transforms that it cannot do without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from monai.losses import DiceCELoss
from monai.utils import optional_import
from torch.utils.benchmark import Timer

from monai_cwmi.losses import CWMILoss

trange, _ = optional_import("tqdm", name="trange")


class Timing(NamedTuple):
    """Time of one step.

    Attributes:
        name: What was timed.
        median: Median over the repeats, in seconds.
        spread: Interquartile range over the repeats, in seconds.
        ratio: Median over that of the floor.
    """

    name: str
    median: float
    spread: float
    ratio: float


def measure_speed(
    shape: tuple[int, int, int, int] = (10, 1, 512, 512), num_orientations: int = 4, repeats: int = 30
) -> list[Timing]:
    """Time forward and backward passes, taking turns, so that whatever else the machine does hits all alike.

    The floor is two ``rfft2`` and one ``irfft2`` of the batch. The losses are given probabilities (sigmoid, no
    softmax), and the mutual information of CWMI is timed by itself too.

    Args:
        shape: ``(B, C, H, W)``.
        num_orientations: ``K``.
        repeats: How many times each is timed, after a warm-up.

    Returns:
        The floor first, then each loss.

    Example::

        for timing in measure_speed((2, 1, 256, 256)):
            print(timing.name, timing.ratio)
    """
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(shape, generator=generator) > 0.5).float()
    logits = torch.randn(shape, generator=generator, requires_grad=True)
    spectrum = torch.fft.rfft2(target)

    def floor() -> None:
        torch.fft.rfft2(target)
        torch.fft.rfft2(target)
        torch.fft.irfft2(spectrum, s=shape[2:])

    def step_of(loss: torch.nn.Module) -> Callable[[], object]:
        return lambda: torch.autograd.grad(loss(logits, target), logits)

    cwmi: dict[str, Any] = {"sigmoid": True, "num_orientations": num_orientations}
    steps = {
        "floor: 2 rfft2 + 1 irfft2": floor,
        "mutual information alone": step_of(CWMILoss(**cwmi, lambda_ce=0.0)),
        "CWMILoss": step_of(CWMILoss(**cwmi)),
        "CWMILoss, real pyramid": step_of(CWMILoss(**cwmi, is_complex=False)),
        "MONAI DiceCELoss": step_of(DiceCELoss(sigmoid=True)),
    }
    threads = torch.get_num_threads()
    timers = {name: Timer("step()", globals={"step": step}, num_threads=threads) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in trange(repeats, desc="timing", leave=False):
        for name, timer in timers.items():
            times[name].append(timer.timeit(1).mean)

    quartiles = torch.tensor(list(times.values())).quantile(torch.tensor([0.25, 0.5, 0.75]), dim=1)  # (3, steps)
    lower, median, upper = quartiles.tolist()
    return [
        Timing(name, middle, high - low, middle / median[0])
        for name, low, middle, high in zip(steps, lower, median, upper, strict=True)
    ]
