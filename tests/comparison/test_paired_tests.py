from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from monai_cwmi.comparison.paired_tests import estimate, paired_differences
from monai_cwmi.comparison.reported_metrics import METRICS


def _simulate(
    runs: int, images: int, seeds: int, *, image: float = 0, seed: float = 0, network: float = 0, mean: float = 0
) -> np.ndarray:
    """Differences ``(runs, images, seeds)`` under noise of size 1, ``network`` being that of a fold's and a seed's."""
    generator = np.random.default_rng(0)
    folds = generator.normal(0, network, (runs, 3, seeds)) if network else np.zeros((runs, 3, seeds))
    return (
        mean
        + generator.normal(0, image, (runs, images, 1))
        + generator.normal(0, seed, (runs, 1, seeds))
        + folds[:, np.arange(images) % 3]
        + generator.normal(0, 1, (runs, images, seeds))
    )


def _rejections(runs: np.ndarray) -> float:
    return float(np.mean([estimate(each).p < 0.05 for each in runs]))


def test_variance_is_that_of_the_analysis_of_variance() -> None:
    values = _simulate(1, 7, 4, image=1, seed=0.5, mean=0.3)[0]
    table = pd.DataFrame([(i, s, values[i, s]) for i, s in product(range(7), range(4))], columns=["i", "s", "d"])
    squares = anova_lm(ols("d ~ C(i) + C(s)", table).fit())["mean_sq"]
    total = squares["C(i)"] + squares["C(s)"] - squares["Residual"]
    df = total**2 / (squares["C(i)"] ** 2 / 6 + squares["C(s)"] ** 2 / 3 + squares["Residual"] ** 2 / 18)
    error = np.sqrt(total / 28)
    found = estimate(values)
    assert total > squares.max()
    assert found.mean == pytest.approx(values.mean())
    assert found.df == pytest.approx(df)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(values.mean()) / error, df))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, df, values.mean(), error))


@pytest.mark.parametrize("largest", ["images", "seeds", "noise"])
def test_variance_is_never_below_one_of_its_parts(largest: str) -> None:
    noise = np.array([[1.0, -1.0], [-1.0, 1.0]]).repeat(2, 0)  # (4, 2), without effects of images and seeds
    effects = {"images": np.array([[0, 2, 0, -2]]).T, "seeds": np.array([[2, -2]]), "noise": 2 * noise}
    values = 5 + effects[largest] + 0.1 * noise
    residuals = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
    squares = {"images": 2 * values.mean(1).var(ddof=1), "seeds": 4 * values.mean(0).var(ddof=1)}
    squares["noise"] = (residuals**2).sum() / 3
    assert squares["images"] + squares["seeds"] - squares["noise"] < squares[largest] == max(squares.values())
    found = estimate(values)
    assert found.high - found.mean == pytest.approx(stats.t.isf(0.025, found.df) * np.sqrt(squares[largest] / 8))


def test_with_one_seed_or_one_image_it_is_a_t_test() -> None:
    values = np.random.default_rng(0).normal(0.5, 1, 9)
    oracle = stats.ttest_1samp(values, 0)
    interval = oracle.confidence_interval(0.95)
    for each in (values[:, None], values[None]):
        found = estimate(each)
        assert (found.p, found.df) == pytest.approx((oracle.pvalue, 8))
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (3, 1), (1, 2)])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_without_spread_there_is_no_test(shape: tuple[int, int], value: float) -> None:
    found = estimate(np.full(shape, value) + 1e-17 * np.arange(shape[1]))
    assert found.mean == pytest.approx(value, abs=1e-12)
    assert np.isnan(found[1:]).all()


def test_without_pairs_there_is_nothing() -> None:
    assert np.isnan(estimate(np.empty((0, 3)))).all()
    assert np.isnan(estimate(np.empty((0, 0)))).all()


@pytest.mark.parametrize(
    ("images", "seeds", "effects"),
    [
        (20, 5, {}),
        (20, 5, {"image": 1, "seed": 0.5}),
        (20, 3, {"image": 1, "seed": 1}),
        (6, 4, {"seed": 1}),
        (21, 3, {"image": 0.5, "network": 0.7}),  # folds with networks of their own
        (12, 1, {"image": 1}),
    ],
)
def test_a_true_null_is_rejected_as_rarely_as_is_said(images: int, seeds: int, effects: dict[str, float]) -> None:
    runs = _simulate(1500, images, seeds, **effects)
    assert _rejections(runs) < 0.085  # 7 % and two standard errors of a share in so many runs
    if {"seed", "network"} & effects.keys():
        naive = stats.ttest_1samp(runs.reshape(len(runs), -1), 0, axis=1).pvalue
        assert np.mean(naive < 0.05) > 0.2


def test_a_true_difference_is_found() -> None:
    assert _rejections(_simulate(300, 20, 5, image=0.5, seed=0.3, mean=1)) > 0.9


def test_the_interval_holds_the_truth() -> None:
    found = [estimate(each) for each in _simulate(1000, 15, 5, image=1, seed=1, mean=0.4)]
    assert np.mean([each.low <= 0.4 <= each.high for each in found]) == pytest.approx(0.95, abs=0.02)


def _results(values: dict[str, np.ndarray], metric: str = "miou") -> pd.DataFrame:
    """A row for each loss's value ``(images, seeds)``."""
    rows = [
        (loss, seed, image % 2, f"{image // 2}.png", array[image, seed])  # the same names in both folds
        for loss, array in values.items()
        for image, seed in np.ndindex(*array.shape)
    ]
    return pd.DataFrame(rows, columns=["loss", "seed", "fold", "image", metric])


@pytest.mark.parametrize("metric", METRICS)
def test_positive_is_in_favour_of_the_baseline(metric: str) -> None:
    generator = np.random.default_rng(0)
    better, worse = (0.9, 0.6) if METRICS[metric].higher_is_better else (1.0, 3.0)
    values = {"ours": better + 0.01 * generator.normal(size=(6, 3)), "theirs": np.full((6, 3), worse)}
    row = paired_differences(_results(values, metric), "ours", ["theirs"], [metric]).iloc[0]
    assert row["advantage"] == pytest.approx(abs(better - worse), abs=0.02)
    assert 0 < row["low"] < row["advantage"] < row["high"]
    assert row["p"] < 0.001
    assert (row["images"], row["seeds"], row["left_out"]) == (6, 3, 0)
    assert row["holds_for"] == "other images and seeds"
    found = estimate((values["ours"] - worse) * (1 if METRICS[metric].higher_is_better else -1))
    assert tuple(row[["advantage", "low", "high", "p", "df"]]) == pytest.approx(tuple(found))


def test_pairs_are_made_by_image_and_seed_whatever_their_order() -> None:
    values = {name: np.random.default_rng(key).normal(size=(6, 3)) for key, name in enumerate(["ours", "theirs"])}
    results = _results(values)
    shuffled = results.sample(frac=1, random_state=1)
    expected = paired_differences(results, "ours", ["theirs"], ["miou"])
    pd.testing.assert_frame_equal(paired_differences(shuffled, "ours", ["theirs"], ["miou"]), expected)


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("loss", ["ours", "theirs", "both"])
def test_an_image_without_a_finite_value_is_left_out_and_counted(value: float, loss: str) -> None:
    values = {name: np.random.default_rng(key).normal(size=(6, 3)) for key, name in enumerate(["ours", "theirs"])}
    kept = (values["ours"] - values["theirs"])[[0, 1, 3, 4, 5]]
    for name in values if loss == "both" else [loss]:
        values[name][2, 1] = value
    row = paired_differences(_results(values), "ours", ["theirs"], ["miou"]).iloc[0]
    assert (row["images"], row["seeds"], row["left_out"]) == (5, 3, 1)
    assert row["advantage"] == pytest.approx(kept.mean())
    assert row["p"] == pytest.approx(estimate(kept).p)


def test_trainings_that_are_not_there_yet() -> None:
    values = {name: np.random.default_rng(key).normal(size=(6, 3)) for key, name in enumerate(["ours", "theirs"])}
    results = _results(values)
    is_theirs = results["loss"] == "theirs"

    def compare(dropped: pd.Series) -> pd.Series:
        return paired_differences(results[~dropped], "ours", ["theirs"], ["miou"]).iloc[0]

    row = compare(is_theirs & (results["seed"] == 2))  # a seed: the others are compared
    assert (row["images"], row["seeds"], row["left_out"]) == (6, 2, 0)
    row = compare(is_theirs & (results["seed"] == 2) & (results["fold"] == 1))  # a fold of a seed: its images go
    assert (row["images"], row["seeds"], row["left_out"]) == (3, 3, 3)
    row = compare(is_theirs & (results["seed"] > 0))
    assert row["holds_for"] == "other images"
    row = compare(is_theirs & ((results["seed"] == 0) == (results["fold"] == 0)))  # no image has all seeds
    assert (row["images"], row["left_out"], row["holds_for"]) == (0, 6, "these only")
    for lost in (is_theirs, ~is_theirs, is_theirs | ~is_theirs):
        row = compare(lost)
        assert (row["images"], row["seeds"], row["holds_for"]) == (0, 0, "these only")
        assert np.isnan(row["advantage"])
        assert row["left_out"] == (0 if lost.all() else 6)


def test_one_image() -> None:
    values = {name: np.random.default_rng(key).normal(size=(1, 4)) for key, name in enumerate(["ours", "theirs"])}
    row = paired_differences(_results(values), "ours", ["theirs"], ["miou"]).iloc[0]
    assert row["holds_for"] == "other seeds"
    assert row["p"] == pytest.approx(stats.ttest_rel(values["ours"][0], values["theirs"][0]).pvalue)


def test_holm_correction_is_over_the_rivals_of_a_metric() -> None:
    generator = np.random.default_rng(0)
    values = {
        name: shift + generator.normal(size=(8, 3)) for name, shift in zip("abcd", (0, -0.5, -1, -2), strict=True)
    }
    values["same"] = values["a"].copy()  # no spread and no test
    results = _results(values).assign(vi=lambda table: -table["miou"])
    differences = paired_differences(results, "a", ["b", "c", "d", "same"], ["miou", "vi"])
    assert list(differences["metric"]) == ["miou"] * 4 + ["vi"] * 4
    for _, group in differences.groupby("metric"):
        p = group["p"].to_numpy()[:3]
        assert np.isnan(group["p"].iloc[3])
        assert np.isnan(group["p_holm"].iloc[3])
        order, largest, expected = np.argsort(p), 0.0, np.empty(3)
        for rank, index in enumerate(order):
            largest = max(largest, min(1.0, (3 - rank) * p[index]))
            expected[index] = largest
        np.testing.assert_allclose(group["p_holm"].to_numpy()[:3], expected)


def test_nobody_to_compare_with() -> None:
    differences = paired_differences(_results({"ours": np.ones((2, 2))}), "ours", [], ["miou"])
    assert differences.empty
    assert {"advantage", "p_holm", "holds_for"} <= set(differences.columns)
