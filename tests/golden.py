"""Golden values: the outputs, in float64, of the paper's released code (commit b00977d) on fixed masks and predictions.

``*_centred`` files come from that code with its frequency grid corrected. Tolerances are relative errors in the 2-norm.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in FOLDER.glob("*.npz"))


class Golden(NamedTuple):
    prediction: Tensor
    target: Tensor
    level_terms: Tensor
    gradient: Tensor
    options: dict[str, Any]


def load(name: str, dtype: torch.dtype) -> Golden:
    with np.load(FOLDER / f"{name}.npz") as file:
        return Golden(
            prediction=torch.from_numpy(file["prob"]).to(dtype).requires_grad_(),
            target=torch.from_numpy(file["mask"]),
            level_terms=torch.from_numpy(file["level_terms"]),  # (N, B)
            gradient=torch.from_numpy(file["grad"]),
            options={
                "num_levels": int(file["levels"]),
                "num_orientations": int(file["orientations"]),
                "is_complex": bool(file["is_complex"]),
                "frequency_grid": str(file["grid"]),
            },
        )


def tolerances(name: str, dtype: torch.dtype) -> tuple[float, float]:
    """Of the level terms and of the gradient."""
    if name == "real_128_K4_published":
        return 1e-3, 2e-2  # the released code crops away the mirror partners of its last frequencies
    is_double = dtype == torch.float64
    if "near_perfect" in name:
        return (1e-6, 1e-3) if is_double else (1e-3, 5e-2)
    if "K12" in name:
        return (1e-5, 1e-4) if is_double else (5e-3, 5e-3)
    return (1e-6, 1e-5) if is_double else (1e-4, 1e-3)


def relative_error(value: Tensor, expected: Tensor) -> float:
    difference = torch.linalg.vector_norm(value.detach().double() - expected)
    return float(difference / torch.linalg.vector_norm(expected))
