from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_cwmi.data.splits import split_by_group

FRACTIONS = st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any)


@given(st.lists(st.sampled_from("abcdefghijkl"), max_size=40), FRACTIONS, st.integers(0, 5))
def test_every_case_is_in_one_part_and_every_group_too(groups: list[str], weights: list[int], seed: int) -> None:
    fractions = [weight / sum(weights) for weight in weights]
    parts = split_by_group(groups, fractions, seed)
    assert len(parts) == len(fractions)
    assert sorted(itertools.chain(*parts)) == list(range(len(groups)))
    members = [{groups[index] for index in part} for part in parts]
    assert all(a.isdisjoint(b) for a, b in itertools.combinations(members, 2))
    wanted = [bool(fraction) for fraction in fractions]
    assert not any(part for part, wants in zip(parts, wanted, strict=True) if not wants)
    filled = sum(bool(part) for part in parts)
    assert filled == min(sum(wanted), len(set(groups)))


@pytest.mark.parametrize(
    ("number", "fractions", "expected"),
    [
        (10, (0.7, 0.1, 0.2), (7, 1, 2)),
        (20, (0.7, 0.1, 0.2), (14, 2, 4)),
        (3, (0.7, 0.1, 0.2), (1, 1, 1)),
        (2, (0.7, 0.1, 0.2), (1, 0, 1)),
        (1, (0.7, 0.1, 0.2), (1, 0, 0)),
        (1, (0.2, 0.8), (0, 1)),
        (5, (1.0, 0.0), (5, 0)),
        (0, (0.5, 0.5), (0, 0)),
        (100, (0.29, 0.57, 0.14), (29, 57, 14)),  # exact in decimals, not in binary
    ],
)
def test_sizes_follow_the_fractions(number: int, fractions: tuple[float, ...], expected: tuple[int, ...]) -> None:
    parts = split_by_group([f"p{index}" for index in range(number)], fractions, seed=3)
    assert tuple(map(len, parts)) == expected


def test_the_seed_decides_and_the_order_of_the_cases_does_not() -> None:
    groups = [f"p{index // 2}" for index in range(40)]
    parts = split_by_group(groups, (0.5, 0.5), seed=1)
    assert parts == split_by_group(groups, (0.5, 0.5), seed=1)
    assert parts != split_by_group(groups, (0.5, 0.5), seed=2)
    backwards = groups[::-1]
    turned = split_by_group(backwards, (0.5, 0.5), seed=1)
    assert {backwards[index] for index in turned[0]} == {groups[index] for index in parts[0]}


@pytest.mark.parametrize("fractions", [(0.5, 0.6), (-0.5, 1.5), (), (0.0, 0.0)])
def test_fractions_that_are_none_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="fractions must not be negative and must add up to 1"):
        split_by_group(["a"], fractions, seed=0)
