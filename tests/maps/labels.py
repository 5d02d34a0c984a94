"""Small labels for the tests of maps."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

UNLABELLED = 2
SHAPES = [(9, 12), (1, 7), (5, 6, 7)]


def random_label(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Objects (0) in a border (1) that is wide here and thin there; some pixels are unlabelled (2)."""
    generator = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(generator.normal(size=shape), generator.choice([0.0, 0.6, 1.0]))
    label = (smooth > np.quantile(smooth, generator.uniform(0.3, 0.9))).astype(np.int64)
    label[generator.random(shape) < 0.05] = UNLABELLED
    return label


LABELS = [random_label(shape, seed) for shape in SHAPES for seed in range(6)]
DEGENERATE = {
    "no border": np.zeros((6, 7), dtype=np.int64),
    "all border": np.ones((6, 7), dtype=np.int64),
    "nothing labelled": np.full((6, 7), UNLABELLED),
    "one pixel": np.zeros((1, 1), dtype=np.int64),
    "one object": np.repeat([[0, 0, 0, 1, 1]], 6, axis=0),
    "volume without border": np.zeros((3, 4, 5), dtype=np.int64),
    "volume of border": np.ones((3, 4, 5), dtype=np.int64),
}


def masks(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Border and objects."""
    return label == 1, label == 0


def distances(pixel: np.ndarray, places: np.ndarray) -> np.ndarray:
    """From one pixel ``(axes)`` to others ``(n, axes)``, in pixels."""
    return np.sqrt(((places - pixel) ** 2).sum(1))
