"""Binary masks to score, and how scores are called on plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

Array = NDArray[np.bool_]

SHAPES = [(23, 31), (16, 16), (1, 9), (1, 1), (9, 7, 8), (5, 1, 6), (1, 1, 1)]


def random_pairs(shape: tuple[int, ...], *, seed: int = 0) -> Iterator[tuple[Array, Array]]:
    """Prediction and target: noise, blobs that agree in part, and every pairing of empty, full and one pixel."""
    generator = np.random.default_rng(seed)
    for density in (0.2, 0.5, 0.7):
        yield generator.random(shape) < density, generator.random(shape) < density
    blobs = gaussian_filter(generator.standard_normal(shape), 1.5)
    noise = gaussian_filter(generator.standard_normal(shape), 1.0)
    yield blobs + 0.5 * noise > 0, blobs > 0
    yield blobs > 0, blobs > 0
    empty, full = np.zeros(shape, bool), np.ones(shape, bool)
    pixel = empty.copy()
    pixel[tuple(size // 2 for size in shape)] = True
    special = (empty, full, pixel, blobs > 0)
    yield from ((prediction, target) for prediction in special for target in special)


def score_arrays(
    metric: Callable[..., Tensor], prediction: Any, target: Any, mask: Any = None, **options: Any
) -> list[float]:
    """The scores of one image given as an array of any kind."""
    images = [torch.as_tensor(np.array(image))[None, None] for image in (prediction, target)]
    labelled = None if mask is None else torch.as_tensor(np.array(mask))[None, None]
    scores: list[float] = metric(*images, mask=labelled, **options).flatten().tolist()
    return scores
