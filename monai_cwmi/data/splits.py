"""Splits of cases into parts that share no patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def split_by_group(groups: Sequence[str], fractions: Sequence[float], seed: int) -> list[list[int]]:
    """Split cases into parts so that no group, a patient say, is in two of them.

    Groups are counted, not cases. Of the parts whose fraction is not zero, each gets at least one group as long as
    there are enough; where there are not, the larger fractions are served first.

    Args:
        groups: the group of each case.
        fractions: the share of the groups that each part is to have; they add up to one.
        seed: which of the possible splits.

    Returns:
        For each part, the indices of its cases in rising order. The order of the cases does not change which groups
        a part gets.

    Raises:
        ValueError: When a fraction is negative or the fractions do not add up to one.

    Example::

        split_by_group(["a", "b", "a", "c"], (0.5, 0.5), seed=0)  # [[0, 2, 3], [1]] for instance
    """
    if min(fractions, default=-1) < 0 or not np.isclose(sum(fractions), 1):
        raise ValueError(f"fractions must not be negative and must add up to 1, got {list(fractions)}.")
    names = sorted(set(groups))
    shuffled = np.random.default_rng(seed).permutation(len(names))
    bounds = np.cumsum(_counts(len(names), np.asarray(fractions, dtype=float)))[:-1]
    parts = [{names[index] for index in part} for part in np.split(shuffled, bounds)]
    return [[index for index, group in enumerate(groups) if group in part] for part in parts]


def _counts(total: int, fractions: np.ndarray) -> np.ndarray:
    # Largest remainders: whole shares first, then one more each for those who lost most by rounding down.
    shares = total * fractions
    counts = np.floor(shares + 1e-9).astype(int)
    counts[np.argsort(counts - shares, kind="stable")[: total - counts.sum()]] += 1
    for part in np.argsort(-fractions, kind="stable"):
        donor = np.argmax(counts)
        if fractions[part] > 0 and counts[part] == 0 and counts[donor] > 1:
            counts[[part, donor]] += 1, -1
    return counts
