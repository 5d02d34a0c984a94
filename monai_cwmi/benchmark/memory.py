"""The most memory that a step holds beyond what is held anyway."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import accumulate

import torch
from torch.profiler import ProfilerActivity, profile


def peak_memory(step: Callable[[], object], device: str = "cpu") -> int:
    """Run a step once and measure the most memory that it holds at a time, beyond what was held before it.

    On a GPU, PyTorch's allocator counts, buffers of the FFT library included. On a CPU, the profiler lists what tensors
    allocate and free. Memory that libraries allocate themselves is not counted there, such as that of SciPy's distance
    transforms and the FFT library's buffers.

    Args:
        step: What to run.
        device: Where it takes its memory: ``"cpu"`` or a CUDA device.

    Returns:
        Bytes.

    Example:
        >>> x = torch.zeros(250_000)  # 1 MB
        >>> 2e6 <= peak_memory(lambda: (x + 1) * 2) < 2.001e6
        True
    """
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before

    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # the profiler would tell of each start and stop
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    results = record.profiler.kineto_results
    events = [event for event in results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate((event.nbytes() for event in events), initial=0))
