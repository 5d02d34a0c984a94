from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose

import golden
from monai_cwmi.comparison import catalogue
from monai_cwmi.comparison.catalogue import load_contestants, loss_config, map_configs, unwrapped

CATALOGUE = load_contestants(list(ConfigParser.load_config_file(catalogue.CATALOGUE)))
NAMES = list(CATALOGUE)
SHARED = {"to_onehot_y": True, "softmax": True, "include_background": False, "ignore_index": 2}
OWN = {"_target_": "monai_cwmi.CWMILoss"} | SHARED


def built(name: str, own: dict[str, Any] = OWN) -> Any:
    config = loss_config(CATALOGUE[name], own)
    return ConfigParser({"loss": config}).get_parsed_content("loss")


def target_for(name: str, label: torch.Tensor) -> torch.Tensor:
    """A batch of labels ``(B, 1, spatial)`` with the maps that the loss needs behind them."""
    configs = map_configs(CATALOGUE[name], OWN, foreground=1)
    transform = Compose(ConfigParser({"maps": configs}).get_parsed_content("maps") if configs else [])
    return torch.stack([transform({"label": one})["label"] for one in label])


def example(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores between right and random, and discs with a border to tell apart; some of it is unlabelled."""
    generator = torch.Generator().manual_seed(0)
    grids = torch.meshgrid(*(torch.arange(n) % 16 - 7.5 for n in shape), indexing="ij")
    label = (torch.stack(grids).norm(dim=0) > 6).long()[None, None].repeat(2, 1, *[1] * len(shape))
    label[1, :, 20:40] = 0
    label[:, :, :3] = 2
    return torch.randn(2, 2, *shape, generator=generator, requires_grad=True), label


def test_all_losses_are_there() -> None:
    rivals = {"CE", "BalancedCE", "DiceCE", "BalancedDiceCE", "Dice", "SquaredDice", "BatchDiceCE", "Focal", "Jaccard"}
    rivals |= {"Tversky", "clDice", "RMI", "SCNP"}
    mapped = {"WCE", "ABW", "Skea-topo", "SkeletonRecall"}
    published = {"CWMI-published", "CWMI-Real"}
    assert set(NAMES) - {name for name in NAMES if name.startswith("CWMI")} == rivals | mapped
    assert published | {"CWMI"} <= set(NAMES)
    assert {name for name in NAMES if CATALOGUE[name].maps} == mapped
    assert {name for name in NAMES if CATALOGUE[name].starts} == published | {"Skea-topo"}


@pytest.mark.parametrize("name", NAMES)
def test_the_bundles_options_reach_every_loss(name: str) -> None:
    config = dict(unwrapped(loss_config(CATALOGUE[name], OWN)))
    assert config | CATALOGUE[name].loss | SHARED == config
    assert not SHARED.keys() & CATALOGUE[name].loss.keys()


@pytest.mark.parametrize("shape", [(48, 32), (24, 20, 16)])
@pytest.mark.parametrize("name", NAMES)
def test_finite_loss_and_gradient(name: str, shape: tuple[int, ...]) -> None:
    logits, label = example(shape)
    target = target_for(name, label)
    loss = built(name)
    value = loss(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.shape == ()
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert (gradient.flatten(1).abs().amax(1) > 0).all()
    assert gradient[:, :, :3].abs().max() == 0  # which are not labelled
    spoilt = torch.where(label == 2, torch.nan, logits)
    torch.testing.assert_close(loss(spoilt, target), value)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if not CATALOGUE[name].scnp]
)  # which takes each channel's worst
def test_two_channels_and_a_sigmoid_are_alike(name: str) -> None:
    logits, label = example((48, 32))
    target = target_for(name, label)
    expected = built(name)(logits, target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no option that makes no sense for one channel
        found = built(name, {"_target_": "DiceLoss", "sigmoid": True, "ignore_index": 2})(
            logits[:, 1:] - logits[:, :1], target
        )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_better_prediction_costs_less(name: str) -> None:
    _, label = example((48, 32))
    target = target_for(name, label)
    right = (2.0 * (label == 1) - 1).repeat(1, 2, 1, 1) * torch.tensor([-1.0, 1.0]).reshape(1, 2, 1, 1)
    loss = built(name)
    noise = torch.randn(right.shape, generator=torch.Generator().manual_seed(1))
    assert loss(3 * right, target) < loss(3 * right + 3 * noise, target) < loss(-3 * right + 3 * noise, target)


@pytest.mark.parametrize("name", NAMES)
def test_what_starts_later_is_an_attribute_that_counts(name: str) -> None:
    logits, label = example((48, 32))
    target = target_for(name, label)
    loss = built(name)
    for attribute, epochs in CATALOGUE[name].starts.items():
        assert epochs > 0
        assert getattr(loss, attribute) > 0
        before = loss(logits, target)
        setattr(loss, attribute, 0.0)
        after = loss(logits, target)
        assert abs(float(before.detach() - after.detach())) > 1e-3
        assert torch.autograd.grad(after, logits)[0].abs().max() > 0


def test_the_published_loss_starts_from_balanced_cross_entropy() -> None:
    logits, label = example((48, 32))
    expected = 0.9 * built("BalancedCE")(logits, label)
    for name in ("CWMI-published", "CWMI-Real"):
        loss = built(name)
        loss.lambda_mi = 0.0
        torch.testing.assert_close(loss(logits, label), expected)


@pytest.mark.parametrize("case", [name for name in golden.NAMES if "K4" in name and "N3" not in name])
def test_the_published_loss_has_the_golden_gradient(case: str) -> None:
    expected = golden.load(case, torch.float64)
    name = "CWMI-published" if expected.options["is_complex"] else "CWMI-Real"
    own = {"_target_": "monai_cwmi.CWMILoss"}
    config = loss_config(CATALOGUE[name], own) | {"frequency_grid": expected.options["frequency_grid"]}
    loss = ConfigParser({"loss": config | {"lambda_ce": 0.0}}).get_parsed_content("loss")
    (gradient,) = torch.autograd.grad(loss(expected.prediction, expected.target), expected.prediction)
    assert golden.relative_error(gradient, expected.gradient) < golden.tolerances(case, torch.float64)[1]


def test_losses_differ() -> None:
    """By their values of two images: the larger has four levels that count, the smaller three."""
    values: dict[str, tuple[float, ...]] = dict.fromkeys(NAMES, ())
    for shape in ((64, 96), (40, 64)):
        logits, label = example(shape)
        upright = logits + torch.cat(((label != 1).float(), (label == 1).float()), 1)
        upright[1] *= -1  # which the gate sees
        for name in NAMES:
            values[name] += (round(built(name)(upright, target_for(name, label)).item(), 6),)
    assert len(set(values.values())) == len(NAMES)
