"""Values of voxels in the smallest type of numbers that holds them all."""

from __future__ import annotations

import numpy as np

WHOLE = (np.int16, np.uint16, np.int32)


def smallest_type(values: np.ndarray) -> np.ndarray:
    """Return the same values as 16-bit or 32-bit numbers, where these hold each of them exactly."""
    low, high = values.min(), values.max()
    if (values == np.rint(values)).all():
        for kind in WHOLE:
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
                return values.astype(kind)
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return single if np.array_equal(single, values, equal_nan=True) else values
