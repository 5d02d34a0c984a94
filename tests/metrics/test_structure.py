from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.metrics import CumulativeIterationMetric
from monai.utils import MetricReduction
from torch import Tensor

from monai_cwmi.metrics import (
    AdjustedRandIndexMetric,
    BettiErrorMetric,
    ClDiceMetric,
    ModifiedHausdorffMetric,
    VariationOfInformationMetric,
    functional,
)

Build = Callable[..., CumulativeIterationMetric]
REGION = {"component_value": 0, "connectivity": 2}
CASES: list[tuple[Build, Callable[..., Tensor], dict[str, Any]]] = [
    (VariationOfInformationMetric, functional.variation_of_information, {}),
    (VariationOfInformationMetric, functional.variation_of_information, REGION),
    (AdjustedRandIndexMetric, functional.adjusted_rand_index, {}),
    (AdjustedRandIndexMetric, functional.adjusted_rand_index, REGION),
    (ModifiedHausdorffMetric, functional.modified_hausdorff, {}),
    (BettiErrorMetric, functional.betti_error, {}),
    (BettiErrorMetric, functional.betti_error, {"dimension": 1, **REGION}),
    (ClDiceMetric, functional.cl_dice, {}),
]
METRICS: list[Build] = [
    VariationOfInformationMetric,
    AdjustedRandIndexMetric,
    ModifiedHausdorffMetric,
    BettiErrorMetric,
    ClDiceMetric,
]
each_metric = pytest.mark.parametrize("build", METRICS)


def one_hot(batch: int = 2, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Prediction and target ``(B, C, 14, 11)``; about a tenth of the target is of no class."""
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randint(0, classes, (2, batch, 14, 11), generator=generator)
    prediction, target = (
        torch.nn.functional.one_hot(labels, classes).movedim(-1, 1).float() for labels in (prediction, target)
    )
    return prediction, target * (torch.rand(batch, 1, 14, 11, generator=generator) < 0.9)


@pytest.mark.parametrize(("build", "score", "options"), CASES)
@pytest.mark.parametrize("include_background", [True, False])
def test_each_channel_is_scored_where_there_are_labels(
    build: Build,
    score: Callable[..., Tensor],
    options: dict[str, Any],
    include_background: bool,
) -> None:
    prediction, target = one_hot()
    mask = target.sum(1, keepdim=True) == 1
    assert not mask.all()
    channels = range(0 if include_background else 1, 3)
    expected = torch.stack([score(prediction[:, [c]], target[:, [c]], mask=mask, **options) for c in channels], 1)
    metric = build(include_background=include_background, reduction="none", **options)
    torch.testing.assert_close(metric(prediction, target), expected, rtol=0, atol=0)
    torch.testing.assert_close(metric.aggregate(), expected, rtol=0, atol=0)


@each_metric
def test_one_channel_is_labelled_everywhere(build: Build) -> None:
    prediction, target = (image[:, 1:2] for image in one_hot())
    metric, without_background = build(), build(include_background=False)
    scores = metric(prediction, target)
    assert scores.shape == (2, 1)
    assert torch.equal(without_background(prediction, target), scores)
    doubled = (torch.cat([1 - image, image], 1) for image in (prediction, target))
    assert torch.equal(without_background(*doubled), scores)


@each_metric
def test_lists_of_channel_first_tensors(build: Build) -> None:
    prediction, target = one_hot()
    expected = build()(prediction, target)
    metric = build(reduction="none")
    scores = metric([MetaTensor(image) for image in prediction], [MetaTensor(image) for image in target])
    assert torch.equal(scores, expected)
    assert torch.equal(metric.aggregate(), expected)


@each_metric
@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        ("mean", lambda scores: scores.mean().reshape(1)),  # MONAI's shape
        ("sum", Tensor.sum),
        ("mean_batch", lambda scores: scores.mean(0)),
        (MetricReduction.MEAN_CHANNEL, lambda scores: scores.mean(1)),
    ],
)
def test_reductions(build: Build, reduction: MetricReduction | str, expected: Callable[[Tensor], Tensor]) -> None:
    prediction, target = one_hot()
    metric = build(reduction=reduction)
    # In two batches, and forgotten once.
    metric(target, target)
    metric.reset()
    scores = torch.cat([metric(prediction[:1], target[:1]), metric(prediction[1:], target[1:])])
    torch.testing.assert_close(metric.aggregate(), expected(scores))
    torch.testing.assert_close(metric.aggregate("mean_channel"), scores.mean(1))


@each_metric
def test_images_without_labels_do_not_count(build: Build) -> None:
    prediction, target = one_hot()
    alone = build()
    alone(prediction[:1], target[:1])
    metric = build(get_not_nans=True)
    target[1] = 0
    assert metric(prediction, target)[1].isnan().all()
    mean, count = metric.aggregate()
    assert torch.equal(mean, alone.aggregate())
    assert count == 1


@each_metric
@pytest.mark.parametrize("reduction", ["mean", "mean_batch", "mean_channel"])
def test_without_any_score_the_mean_is_no_perfect_score(build: Build, reduction: str) -> None:
    prediction, target = one_hot()
    metric = build(reduction=reduction)
    metric(prediction, torch.zeros_like(target))
    assert metric.aggregate().isnan().all()


@each_metric
def test_bad_arguments(build: Build) -> None:
    prediction, target = one_hot()
    with pytest.raises(ValueError, match="'average' is not a valid MetricReduction"):
        build(reduction="average")
    metric = build()
    with pytest.raises(ValueError, match="has scored no image yet"):
        metric.aggregate()
    with pytest.raises(ValueError, match=r"one shape \(B, C, spatial\), got \(2, 3, 14, 11\) and \(2, 2, 14, 11\)"):
        metric(prediction, target[:, :2])
    with pytest.raises(ValueError, match="and None"):
        metric(prediction)
    with pytest.raises(ValueError, match="target must be a binary mask"):
        metric(prediction, 255 * target)


@each_metric
def test_volumes(build: Build) -> None:
    labels = torch.rand(2, 1, 6, 7, 5, generator=torch.Generator().manual_seed(0)) < 0.5
    image = torch.cat([labels, ~labels], 1)
    best = 1 if build in (AdjustedRandIndexMetric, ClDiceMetric) else 0
    assert build()(image, image).tolist() == [[best, best]] * 2


def test_an_evaluator_of_a_bundle_reports_them() -> None:
    metrics = {
        name: {
            "_target_": "IgniteMetricHandler",
            "metric_fn": {"_target_": f"monai_cwmi.metrics.{name}", "include_background": False, **options},
            "output_transform": "$monai.handlers.from_engine(['pred', 'label'])",
        }
        for name, options in {
            "VariationOfInformationMetric": {"component_value": 0},
            "AdjustedRandIndexMetric": {"component_value": 0},
            "ModifiedHausdorffMetric": {},
            "BettiErrorMetric": {"dimension": 1, "connectivity": 2},
            "ClDiceMetric": {},
        }.items()
    }
    prediction, target = one_hot(batch=4, classes=2)
    pairs = zip(prediction.split(2), target.split(2), strict=True)
    config = {
        "imports": ["$import monai", "$import torch"],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "cpu",
            "val_data_loader": [{"image": image, "label": label} for image, label in pairs],
            "network": "$torch.nn.Identity()",
            "key_val_metric": metrics,
        },
    }
    evaluator = ConfigParser(config).get_parsed_content("evaluator")
    evaluator.run()
    expected = {
        "VariationOfInformationMetric": VariationOfInformationMetric(include_background=False, component_value=0),
        "AdjustedRandIndexMetric": AdjustedRandIndexMetric(include_background=False, component_value=0),
        "ModifiedHausdorffMetric": ModifiedHausdorffMetric(include_background=False),
        "BettiErrorMetric": BettiErrorMetric(include_background=False, dimension=1, connectivity=2),
        "ClDiceMetric": ClDiceMetric(include_background=False),
    }
    for name, metric in expected.items():
        scores = metric(prediction, target)
        assert evaluator.state.metrics[name] == pytest.approx(scores.mean().item())
        assert torch.equal(evaluator.state.metric_details[name], scores)
