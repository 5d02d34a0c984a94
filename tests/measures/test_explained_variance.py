from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from monai_cwmi import SteerablePyramid
from monai_cwmi.bands.independence import independent_coefficients
from monai_cwmi.bands.spec import BandOptions, PyramidSpec
from monai_cwmi.functional import measure_bands
from monai_cwmi.measures import ExplainedVariance


def adjusted(share: float, shape: tuple[int, int], level: int) -> float:
    """The share less what four bands explain by chance, from the number of independent coefficients of their level."""
    count = independent_coefficients(shape, PyramidSpec(3, 4, False, "centred"))[level + 1]
    return 1 - (1 - share) * count / (count - 4)


def test_it_is_the_share_that_a_ridge_regression_of_bands_explains() -> None:
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(1, 1, 40, 44, dtype=torch.float64, generator=generator) > 0.6).double()
    prediction = 0.5 * target + 0.5 * torch.rand(target.shape, dtype=torch.float64, generator=generator)
    alpha = 0.3
    options = BandOptions(num_levels=3, is_complex=False)
    (found,) = measure_bands(prediction, target, [ExplainedVariance(alpha)], options)
    pyramid = SteerablePyramid(3, is_complex=False)
    for level, pair in enumerate(zip(pyramid(prediction).bands, pyramid(target).bands, strict=True)):
        x, y = (bands[0, 0].flatten(1).numpy().T for bands in pair)  # (pixels, K)
        fitted = Ridge(alpha=alpha, fit_intercept=False).fit(x, y)
        # tr(G_YP (G_PP + alpha)^-1 G_PY): the target's products with what the regression predicts.
        share = np.sum(fitted.predict(x) * y) / np.sum(y**2)
        assert found[level].item() == pytest.approx(adjusted(share, (40, 44), level), rel=1e-9)


def test_without_a_ridge_to_speak_of_it_is_the_coefficient_of_determination() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(1, 1, 40, 44, dtype=torch.float64, generator=generator)
    prediction = 0.5 * target + 0.5 * torch.rand(target.shape, dtype=torch.float64, generator=generator)
    (found,) = measure_bands(prediction, target, [ExplainedVariance(1e-9)], BandOptions(num_levels=2, is_complex=False))
    pyramid = SteerablePyramid(2, is_complex=False)
    for level, pair in enumerate(zip(pyramid(prediction).bands, pyramid(target).bands, strict=True)):
        x, y = (bands[0, 0].flatten(1).numpy().T for bands in pair)
        predicted = Ridge(alpha=1e-9, fit_intercept=False).fit(x, y).predict(x)
        share = r2_score(y, predicted, multioutput="variance_weighted")
        assert found[level].item() == pytest.approx(adjusted(share, (40, 44), level), abs=1e-6)


@pytest.mark.parametrize("shape", [(32, 32), (36, 52), (64, 64), (24, 24, 24)])
def test_unrelated_images_explain_nothing_of_each_other(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 64, 1, *shape, dtype=torch.float64, generator=generator) > 0.7).double()
    options = BandOptions(slice_dims=None, only_comparable=True)
    (found,) = measure_bands(a, b, [ExplainedVariance()], options)
    assert len(found) >= 2
    # Neighbouring bands share coefficients, so that a little too much is taken for chance where there are few.
    assert found.mean((1, 2)).max() < 0.02
    assert found.mean((1, 2)).min() > -0.2


def test_fewer_coefficients_than_bands_explain_nothing_that_could_be_said() -> None:
    target = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    (found,) = measure_bands(target, target, [ExplainedVariance()], BandOptions())
    assert found[:, 0, 0].isnan().tolist() == [False, False, True]


def test_a_constant_target_has_none_to_explain() -> None:
    target = torch.zeros(1, 1, 32, 32)
    (found,) = measure_bands(torch.rand(1, 1, 32, 32), target, [ExplainedVariance()], BandOptions())
    assert found.isnan().all()


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_a_ridge_that_makes_no_sense_is_named(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must be positive and finite"):
        ExplainedVariance(alpha)
