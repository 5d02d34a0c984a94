r"""Is one loss better than another, and by how much: paired differences, their intervals and tests.

Baseline and rival predict the same images after trainings with the same seeds, so each image :math:`i` and seed
:math:`s` has a difference :math:`d_{is}`. An answer should hold for other images and for other seeds; pairs that share
an image or a seed are not independent, and a test that takes them so finds differences where there are none. Hence the
crossed random effects model

.. math:: d_{is} = \mu + a_i + b_s + e_{is}

in which, with :math:`I` images, :math:`S` seeds and the mean squares of the two-way analysis of variance,

.. math:: \operatorname{Var}(\bar d) = (MS_a + MS_b - MS_e) / (I S)

without bias (J. Cornfield and J. W. Tukey, Ann. Math. Stat. 27, 1956; H. H. Clark, J. Verbal Learn. Verbal Behav. 12,
1973: the quasi-F test). None of the three is expected to be larger than that sum, so the estimate is
never taken smaller than with the largest of them alone. Degrees of freedom are Satterthwaite's, of all three. In a
cross-validation an image belongs to one fold, and the networks of a seed differ from fold to fold; the sum stays
without bias for folds of equal size.

In simulations, the test at 5 % rejects a true null in at most 8 % of cases with three or more seeds, and in up to
13 % with two, which are few to judge all others by. It is more careful where the effects of images and seeds are small
beside the noise. It does not speak of other training sets than those of the folds, and it takes images as independent,
which several of one patient are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from monai_cwmi.comparison.reported_metrics import METRICS

LEVEL = 0.05  # of the tests; the intervals hold the rest

_COLUMNS = ["metric", "baseline", "rival", "advantage", "low", "high", "p", "p_holm", "df"]
_COLUMNS += ["images", "seeds", "left_out", "holds_for"]
_SAMPLED = {  # whether there are several images, and several seeds
    (True, True): "other images and seeds",
    (True, False): "other images",
    (False, True): "other seeds",
}


class Estimate(NamedTuple):
    """A mean difference.

    Attributes:
        mean: Over images and seeds.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p: Of the two-sided test that the true mean is 0.
        df: Degrees of freedom.
    """

    mean: float
    low: float
    high: float
    p: float
    df: float


def estimate(differences: np.ndarray) -> Estimate:
    """Mean of paired differences with a 95 % interval and a test, for other images and other seeds.

    With one seed the test is a t test over images, with one image a t test over seeds, and it speaks of that seed or
    that image only.

    Args:
        differences: ``(I, S)``, a row for each image and a column for each seed.

    Returns:
        The estimate. Without any differences all of it is NaN; with one, or with all the same, all but the mean, as
        there is no spread to judge it by.

    Example:
        >>> e = estimate(np.array([[1.0, 2.0], [2.0, 3.0], [4.0, 4.0]]))
        >>> round(e.mean, 2), round(e.low, 2), round(e.high, 2)
        (2.67, -0.16, 5.5)
    """
    if differences.size == 0:
        return Estimate(*[np.nan] * 5)
    mean = float(differences.mean())
    if np.allclose(differences, mean, rtol=1e-9, atol=1e-12):  # the same but for rounding
        return Estimate(mean, *[np.nan] * 4)
    squares, dfs = _mean_squares(differences)
    total = max(squares[0] + squares[1] - squares[2], *squares) if len(squares) == 3 else squares[0]
    df = float(total**2 / (squares**2 / dfs).sum())  # Satterthwaite
    error = math.sqrt(total / differences.size)
    reach = float(stats.t.isf(LEVEL / 2, df)) * error
    return Estimate(mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, df)), df)


def paired_differences(
    results: pd.DataFrame, baseline: str, rivals: Sequence[str], metrics: Sequence[str]
) -> pd.DataFrame:
    """Compare a loss with each of its rivals, by each metric.

    Only a complete block of images and seeds is compared: an image that lacks a finite value in either loss, for any of
    the seeds that both have, is left out and counted.

    Args:
        results: A row for each prediction, with the columns ``loss, seed, fold, image`` and the metrics.
        baseline: The loss.
        rivals: Those that it is compared with.
        metrics: Names in :data:`monai_cwmi.comparison.reported_metrics.METRICS`.

    Returns:
        A row for each metric and rival. ``advantage`` is baseline minus rival, signed so that positive is in the
        baseline's favour, with its interval ``low, high``; ``p`` is that of the test and ``p_holm`` corrected over the
        rivals of a metric; then the degrees of freedom ``df``, the numbers of ``images`` and ``seeds`` compared and of
        images ``left_out``, and what the interval ``holds_for``.

    Example::

        paired_differences(pd.read_csv("results.csv"), "CWMI", ["CE", "Dice"], ["miou", "vi"])
    """
    rows = []
    for metric in metrics:
        for rival in rivals:
            block, left_out = _advantages(results, baseline, rival, metric)
            images, seeds = block.shape
            found = estimate(block)
            holds_for = "these only" if np.isnan(found.p) else _SAMPLED[images > 1, seeds > 1]
            counts = {"images": images, "seeds": seeds, "left_out": left_out, "holds_for": holds_for}
            key = {"metric": metric, "baseline": baseline, "rival": rival, "advantage": found.mean}
            rows.append(key | found._asdict() | counts)
    differences = pd.DataFrame(rows, columns=_COLUMNS)
    differences["p_holm"] = differences.groupby("metric", sort=False)["p"].transform(_holm)
    return differences


def _mean_squares(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of images, seeds and what is left, with their degrees of freedom; of those only that have any."""
    images, seeds = differences.shape
    centred = differences - differences.mean()
    image_effects = centred.mean(1, keepdims=True)  # (I, 1)
    seed_effects = centred.mean(0, keepdims=True)  # (1, S)
    residuals = centred - image_effects - seed_effects
    sums = np.array([seeds * (image_effects**2).sum(), images * (seed_effects**2).sum(), (residuals**2).sum()])
    dfs = np.array([images - 1, seeds - 1, (images - 1) * (seeds - 1)])
    return sums[dfs > 0] / dfs[dfs > 0], dfs[dfs > 0]


def _advantages(results: pd.DataFrame, baseline: str, rival: str, metric: str) -> tuple[np.ndarray, int]:
    """The complete block ``(I, S)``, and how many images are not in it."""
    ours, theirs = (
        # Files of different folds may have the same name.
        results[results["loss"] == loss].pivot(index=["fold", "image"], columns="seed", values=metric)
        for loss in (baseline, rival)
    )
    seeds = ours.columns.intersection(theirs.columns)
    advantages = (ours - theirs)[seeds].to_numpy(float)  # (I, S), of all images that either has
    if not METRICS[metric].higher_is_better:
        advantages = -advantages
    complete = np.isfinite(advantages).all(1) & (len(seeds) > 0)
    return advantages[complete], int((~complete).sum())


def _holm(p: pd.Series) -> pd.Series:
    tested = p.dropna()
    corrected = multipletests(tested, method="holm")[1] if len(tested) else []
    return pd.Series(corrected, tested.index, dtype=float).reindex(p.index)
