"""Time and memory of a step of the loss, measured beside those of other losses."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from monai.utils import optional_import

from monai_cwmi.bands.spec import default_orientations
from monai_cwmi.benchmark.contestant_names import FLOOR, NETWORK
from monai_cwmi.benchmark.contestants import Step, make_steps
from monai_cwmi.benchmark.memory import peak_memory
from monai_cwmi.benchmark.timings import Timing
from monai_cwmi.benchmark.workload import Workload, default_device

_tqdm, _has_tqdm = optional_import("tqdm", name="tqdm")
_T = TypeVar("_T")


def measure_speed(
    sizes: Sequence[tuple[int, ...]] = ((512, 512),),
    *,
    batch: int = 10,
    classes: int = 1,
    num_orientations: int | None = None,
    device: str | None = None,
    dtype: torch.dtype = torch.float32,
    repeats: int = 30,
    compiled: bool = False,
) -> list[Timing]:
    """Measure forward and backward passes of CWMI and of MONAI's losses, from the network's output and back to it.

    The floor is two ``rfftn`` and one ``irfftn`` of the batch, in float32 for half precision: no computation of the
    loss through spectra needs less. The last contestant is a training step of MONAI's ``BasicUNet`` (``SegResNet`` for
    volumes), to tell which share of it a loss takes. Volumes are compared as a whole, and then slice by slice too.
    After a warm-up of two rounds the contestants take turns in one process, in an order drawn anew for each round, so
    that other work on the machine affects all of them alike.

    Args:
        sizes: Image sizes ``(H, W)``, or sizes of volumes ``(H, W, D)``, in pixels.
        batch: ``B``.
        classes: ``C``. One class is one channel with a sigmoid and a binary target; several are channels with a softmax
            and class indices as the target.
        num_orientations: ``K``. Default: 4, and 6 for volumes.
        device: ``"cpu"`` or a CUDA device. Default: CUDA, if there is any.
        dtype: Of the network's output: float32, float64, float16 or bfloat16. The last two run inside
            ``torch.autocast``.
        repeats: How many times each step is timed. One that takes longer than a second is timed less often, for
            ``repeats`` seconds in all, but three times at the least.
        compiled: Measure ``CWMILoss`` under ``torch.compile`` too.

    Returns:
        For each size, the floor first, then each loss, then the network. A contestant that raises (out of memory, or an
        image too small for it) says so in its ``error``, and the others go on. On a CPU the system may end the whole
        process instead when memory runs out.

    Raises:
        ValueError: When an option is out of its range, or there is no such device.

    Example::

        for timing in measure_speed([(256, 256)], batch=2):
            print(timing.name, timing.ratio)
    """
    device = device or default_device()
    workloads = [
        Workload(
            batch,
            classes,
            tuple(size),
            num_orientations=num_orientations or default_orientations(len(size)),
            device=device,
            dtype=dtype,
        )
        for size in sizes
    ]
    timings = []
    for workload in workloads:
        title = " x ".join(map(str, workload.size))
        timings += time_steps(make_steps(workload, compiled=compiled), workload, repeats, title)
    return timings


def time_steps(steps: Mapping[str, Step], workload: Workload, repeats: int, title: str) -> list[Timing]:
    """Measure steps that take turns.

    Args:
        steps: Functions to call without arguments, by name.
        workload: What they work on; its device is waited for.
        repeats: As in :func:`measure_speed`.
        title: For the progress bar.

    Returns:
        One for each step, in their order. ``ratio`` and ``network_share`` are NaN without the steps that they refer to.

    Raises:
        ValueError: When there are no repeats.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    errors: dict[str, str] = {}

    def attempt(name: str, measure: Callable[[Step, str], float]) -> float:
        if name not in errors:
            try:
                return measure(steps[name], workload.device)
            except Exception as error:  # whatever it is, the others shall go on
                errors[name] = " ".join(f"{type(error).__name__}: {error}".split())
        return math.nan

    peaks, seconds = {}, {}
    for name in _progress(list(steps), f"{title}, warm-up"):
        attempt(name, _seconds)  # makes tables and plans, and may compile
        peaks[name] = attempt(name, peak_memory)
        seconds[name] = attempt(name, _seconds)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for name in _progress(_turns({name: _num_repeats(s, repeats) for name, s in seconds.items()}), title):
        times[name].append(attempt(name, _seconds))

    timings = [
        Timing(name, workload, (), error=errors[name])
        if name in errors
        else Timing(name, workload, tuple(times[name]), peaks[name])
        for name in steps
    ]
    medians = {timing.name: timing.median for timing in timings}
    floor, network = medians.get(FLOOR, math.nan), medians.get(NETWORK, math.nan)
    return [replace(t, ratio=t.median / floor, network_share=t.median / network) for t in timings]


def _seconds(step: Step, device: str) -> float:
    _wait_for(device)
    start = time.perf_counter()
    step()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _num_repeats(seconds: float, repeats: int) -> int:
    """As many as wanted, but no more than take a second each on average; three at the least; none after a failure."""
    if math.isnan(seconds):
        return 0
    return min(repeats, max(3, int(repeats / max(1.0, seconds))))


def _turns(num_repeats: Mapping[str, int]) -> list[str]:
    """The order of the measurements: once in each round, or in some rounds at even distances."""
    rounds = max(num_repeats.values(), default=0)
    order = random.Random(0)
    turns = []
    for i in range(rounds):
        names = [name for name, n in num_repeats.items() if (i + 1) * n // rounds > i * n // rounds]
        turns += order.sample(names, len(names))
    return turns


def _progress(items: Sequence[_T], title: str) -> Iterable[_T]:
    return _tqdm(items, desc=title, leave=False) if _has_tqdm else items
