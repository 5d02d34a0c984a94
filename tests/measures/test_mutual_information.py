from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_cwmi.bands.moments import Moments
from monai_cwmi.measures import ConditionalEntropy, MutualInformation

ALPHA = 5e-4


def moments_of(y: Tensor, p: Tensor, c: float, rounding: float = 1e-13) -> Moments:
    """Moments of bands ``(K, pixels)`` given as numbers, with one level, image and channel."""
    d = y - c * p
    matrices = torch.stack([a @ b.mT for a, b in ((p, p), (d, d), (d, p))])
    coefficient = torch.full((1, 1, 1), c, dtype=torch.float64)
    return Moments(matrices[:, None, None, None], coefficient, torch.tensor([500.0]).double(), rounding)


def bands(relation: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    # Real bands: their own covariances are real, as those of steerable bands of real images are.
    y, noise = (torch.randn(4, 500, dtype=dtype, generator=generator) for _ in range(2))
    return y, relation * y + (1 - relation) * noise


def textbook(y: Tensor, p: Tensor, alpha: float = ALPHA) -> Tensor:
    """Covariance of the target's bands given the prediction's."""
    g_yy, g_pp, g_yp = y @ y.T, p @ p.T, y @ p.T
    return g_yy - g_yp @ torch.linalg.inv(g_pp + alpha * torch.eye(len(p)).double()) @ g_yp.T


@pytest.mark.parametrize("c", [0.0, 0.5, 1.0, -2.0])
@pytest.mark.parametrize("relation", [0.0, 0.5, 1.0])
def test_the_conditional_entropy_is_the_textbook_formula_for_any_c(c: float, relation: float) -> None:
    y, p = bands(relation)
    found = ConditionalEntropy(ALPHA).values(moments_of(y, p, c))
    torch.testing.assert_close(found.squeeze(), torch.logdet(textbook(y, p)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("c", [0.0, 0.5])
def test_gradients_are_those_of_the_textbook_formula(c: float) -> None:
    y, p = bands(0.5)
    p.requires_grad_()
    found = ConditionalEntropy(ALPHA).values(moments_of(y, p, c)).squeeze()
    expected = torch.logdet(textbook(y, p))
    gradients = (torch.autograd.grad(value, p)[0] for value in (found, expected))
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-9)


def test_complex_gradients_agree_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    y, p = (torch.randn(3, 50, dtype=torch.complex128, generator=generator) for _ in range(2))
    p = (p + y).requires_grad_()

    def entropy(p: Tensor) -> Tensor:
        # Real parts of the own covariances, as of bands that are steered real images.
        d = y - 0.7 * p
        cross = d @ p.mH
        matrices = torch.stack([(p @ p.mH).real, (d @ d.mH).real, cross.real, cross.imag])
        coefficient = torch.full((1, 1, 1), 0.7, dtype=torch.float64)
        moments = Moments(matrices[:, None, None, None], coefficient, torch.tensor([50.0]).double(), 1e-13)
        return ConditionalEntropy(ALPHA).values(moments)

    assert torch.autograd.gradcheck(entropy, p)


def test_information_is_that_of_gaussian_vectors() -> None:
    # Against the determinant of the joint covariance: I = log det Y + log det P - log det joint.
    y, p = bands(0.4)
    joint = torch.cat((y, p))
    expected = torch.logdet(y @ y.T) + torch.logdet(p @ p.T) - torch.logdet(joint @ joint.T)
    found = MutualInformation(1e-9).values(moments_of(y, p, 0.3))
    torch.testing.assert_close(found.squeeze(), expected, rtol=1e-8, atol=0)
    entropy = ConditionalEntropy(1e-9).values(moments_of(y, p, 0.3))
    torch.testing.assert_close(entropy.squeeze(), torch.logdet(y @ y.T) - expected, rtol=1e-8, atol=0)


def test_a_perfect_prediction_leaves_alpha() -> None:
    y, _ = bands(1.0)
    g = torch.linalg.eigvalsh(y @ y.T)
    found = MutualInformation(ALPHA).values(moments_of(y, y, 1.0))
    torch.testing.assert_close(found.squeeze(), torch.log1p(g / ALPHA).sum(), rtol=1e-6, atol=0)


def test_directions_without_any_target_hold_no_information() -> None:
    y, p = bands(0.5)
    y[2:] = 0
    found = MutualInformation(ALPHA).values(moments_of(y, p, 0.0, 1e-6))
    joint = torch.cat((y[:2], p))
    expected = torch.logdet(y[:2] @ y[:2].T) + torch.logdet(p @ p.T) - torch.logdet(joint @ joint.T)
    torch.testing.assert_close(found.squeeze(), expected, rtol=1e-3, atol=0)


def test_an_indefinite_covariance_is_factorised_all_the_same() -> None:
    y, p = bands(1.0)
    moments = moments_of(y, p, 1.0, 1e-6)
    residual = moments.remainder
    residual += torch.diag(torch.tensor([1, 1, 1, -1e-7]).double())  # a trace of 3, and an error within its rounding
    assert MutualInformation(ALPHA).values(moments).isfinite().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_and_infinity_come_out_as_nan(value: float) -> None:
    y, p = bands(0.5)
    p[0, 0] = value
    moments = moments_of(y, p, 0.5)
    assert MutualInformation(ALPHA).values(moments).isnan().all()
    assert ConditionalEntropy(ALPHA).values(moments).isnan().all()
