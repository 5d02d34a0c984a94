from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_cwmi.information import (
    conditional_covariance,
    conditional_entropy_terms,
    mutual_information_terms,
    smaller_residual,
)
from monai_cwmi.spectral import BandCovariances

ALPHA = 5e-4


def covariances_of(y: Tensor, p: Tensor, c: float) -> BandCovariances:
    """Covariances of bands ``(K, pixels)`` given as numbers, with one level, image and channel."""
    d = y - c * p
    pairs = [(y, y), (p, p), (d, d), (y, p), (d, p)]
    matrices = [(a @ b.mT)[None, None, None] for a, b in pairs]
    return BandCovariances(*matrices, coefficient=torch.full((1, 1, 1, 1), c).double())  # type: ignore[misc]


def bands(relation: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    # Real bands: their own covariances are real, as those of steerable bands of real images are.
    y, noise = (torch.randn(4, 500, dtype=dtype, generator=generator) for _ in range(2))
    return y, relation * y + (1 - relation) * noise


@pytest.mark.parametrize("c", [0.0, 0.5, 1.0, -2.0])
@pytest.mark.parametrize("relation", [0.0, 0.5, 1.0])
def test_the_conditional_covariance_is_the_textbook_formula_for_any_c(c: float, relation: float) -> None:
    y, p = bands(relation)
    g_yy, g_pp, g_yp = y @ y.T, p @ p.T, y @ p.T
    expected = g_yy - g_yp @ torch.linalg.inv(g_pp + ALPHA * torch.eye(4).double()) @ g_yp.T
    found = conditional_covariance(smaller_residual(covariances_of(y, p, c)), ALPHA, 1e-13)[0, 0, 0]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_the_smaller_residual_is_taken() -> None:
    y, p = bands(0.9)
    assert smaller_residual(covariances_of(y, p, 1.0)).coefficient.item() == 1
    assert smaller_residual(covariances_of(y, p, -1.0)).coefficient.item() == 0


def test_information_is_that_of_gaussian_vectors() -> None:
    # Against the determinant of the joint covariance: I = log det Y + log det P - log det joint.
    y, p = bands(0.4)
    joint = torch.cat((y, p))
    expected = torch.logdet(y @ y.T) + torch.logdet(p @ p.T) - torch.logdet(joint @ joint.T)
    found = mutual_information_terms(covariances_of(y, p, 0.3), 1e-9, 1e-13)
    torch.testing.assert_close(found.squeeze(), expected, rtol=1e-8, atol=0)
    entropy = conditional_entropy_terms(covariances_of(y, p, 0.3), 1e-9, 1e-13)
    torch.testing.assert_close(entropy.squeeze(), torch.logdet(y @ y.T) - expected, rtol=1e-8, atol=0)


def test_a_perfect_prediction_leaves_alpha() -> None:
    y, _ = bands(1.0)
    found = conditional_covariance(smaller_residual(covariances_of(y, y, 1.0)), ALPHA, 1e-13)[0, 0, 0]
    torch.testing.assert_close(found, ALPHA * torch.eye(4).double(), rtol=1e-2, atol=1e-8)


def test_directions_without_any_target_hold_no_information() -> None:
    y, p = bands(0.5)
    y[2:] = 0
    found = mutual_information_terms(covariances_of(y, p, 0.0), ALPHA, 1e-6)
    joint = torch.cat((y[:2], p))
    expected = torch.logdet(y[:2] @ y[:2].T) + torch.logdet(p @ p.T) - torch.logdet(joint @ joint.T)
    torch.testing.assert_close(found.squeeze(), expected, rtol=1e-3, atol=0)


def test_an_indefinite_covariance_is_factorised_all_the_same() -> None:
    y, p = bands(1.0)
    covariances = covariances_of(y, p, 1.0)
    size = covariances.residual.diagonal(dim1=-2, dim2=-1).sum() + 1.0
    spoilt = covariances._replace(
        residual=covariances.residual + size * torch.diag(torch.tensor([1, 1, 1, -1e-7]).double())
    )
    assert mutual_information_terms(spoilt, ALPHA, 1e-6).isfinite().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_and_infinity_come_out_as_nan(value: float) -> None:
    y, p = bands(0.5)
    p[0, 0] = value
    covariances = covariances_of(y, p, 0.5)
    assert mutual_information_terms(covariances, ALPHA, 1e-13).isnan().all()
    assert conditional_entropy_terms(covariances, ALPHA, 1e-13).isnan().all()
