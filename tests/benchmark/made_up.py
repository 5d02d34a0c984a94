"""Measurements with invented numbers."""

from __future__ import annotations

from dataclasses import replace

import torch

from monai_cwmi.benchmark import Growth, Timing
from monai_cwmi.benchmark.workload import Workload

SMALL = Workload(batch=2, classes=1, size=(10, 50))  # a prediction of 4,000 bytes
LARGE = replace(SMALL, size=(100, SMALL.size[1]), dtype=torch.bfloat16)


def timings_of(workload: Workload) -> list[Timing]:
    return [
        Timing("floor: 2 rfftn + 1 irfftn", workload, (0.002,), 4_000.0, 1.0, 0.01),
        Timing("CWMILoss", workload, (0.006, 0.007, 0.008), 1.2e6, 3.5, 0.035),
        Timing("MONAI DiceCELoss", workload, (0.001,), 2_000.0, 0.5, 0.005),
        Timing("MONAI HausdorffDTLoss", workload, (), error="RuntimeError: " + "much too large " * 20),
        Timing("training step of a network", workload, (0.2,), 8e6, 100.0, 1.0),
    ]


TIMINGS = [*timings_of(SMALL), *timings_of(LARGE)]
GROWTHS = [
    Growth("size", 10, *timings_of(SMALL)[:2]),
    Growth("size", 20, *timings_of(replace(SMALL, size=(20, SMALL.size[1])))[:2]),
    Growth("levels", 4, *timings_of(SMALL)[:2]),
    Growth("levels", 5, timings_of(SMALL)[0], Timing("CWMILoss", SMALL, (), error="MemoryError: none left")),
]
