"""What all functions share, seen through each of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor

from metrics.masks import random_pairs
from monai_cwmi.metrics import functional
from monai_cwmi.metrics.functional import adjusted_rand_index, betti_error, variation_of_information

METRICS = [getattr(functional, name) for name in functional.__all__]
OF_COMPONENTS = [variation_of_information, adjusted_rand_index, betti_error]
each_metric = pytest.mark.parametrize("metric", METRICS, ids=functional.__all__)


def batch(*shape: int, count: int = 3) -> tuple[Tensor, Tensor]:
    """Predictions and targets ``(count, 1, *shape)``, uint8."""
    pairs = torch.from_numpy(np.array(list(islice(random_pairs(shape), count)), np.uint8))  # (count, 2, *shape)
    prediction, target = pairs.split(1, dim=1)
    return prediction, target


@each_metric
@pytest.mark.parametrize("shape", [(12, 15), (7, 6, 8)])
def test_each_image_is_scored_by_itself(metric: Callable[..., Tensor], shape: tuple[int, ...]) -> None:
    prediction, target = batch(*shape)
    together = metric(prediction, target)
    assert together.shape == (3,)
    assert together.dtype == torch.float32
    alone = [metric(p, t) for p, t in zip(prediction.split(1), target.split(1), strict=True)]
    assert torch.equal(together, torch.cat(alone))


@each_metric
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16, torch.float64])
def test_any_dtype_and_meta_tensors(metric: Callable[..., Tensor], dtype: torch.dtype) -> None:
    prediction, target = batch(12, 15)
    expected = metric(prediction, target)
    assert torch.equal(metric(prediction.to(dtype), target.to(dtype)), expected)
    mask = MetaTensor(torch.ones(3, 1, 12, 15, dtype=torch.bool))
    scores = metric(MetaTensor(prediction.to(dtype)), MetaTensor(target.to(dtype)), mask=mask)
    assert type(scores) is Tensor
    assert torch.equal(scores, expected)


@each_metric
def test_inputs_stay_as_they_are(metric: Callable[..., Tensor]) -> None:
    prediction, target = batch(12, 15)
    mask = torch.rand(3, 1, 12, 15, generator=torch.Generator().manual_seed(0)) < 0.7
    copies = [tensor.clone() for tensor in (prediction, target, mask)]
    metric(prediction, target, mask=mask)
    assert all(torch.equal(*pair) for pair in zip((prediction, target, mask), copies, strict=True))
    assert torch.equal(metric(prediction.double().requires_grad_(), target), metric(prediction, target))


@each_metric
@pytest.mark.parametrize("shape", [(12, 15), (7, 6, 8)])
def test_what_is_not_labelled_may_be_anything(metric: Callable[..., Tensor], shape: tuple[int, ...]) -> None:
    prediction, target = batch(*shape)
    mask = torch.rand(prediction.shape, generator=torch.Generator().manual_seed(0)) < 0.7
    expected = metric(prediction, target, mask=mask)
    assert not torch.equal(expected, metric(prediction, target))
    assert torch.equal(metric(prediction * mask, target * mask, mask=mask), expected)
    stray = torch.where(mask, target.double(), torch.tensor([torch.nan, 255.0, -1.0]).view(3, *[1] * (mask.ndim - 1)))
    assert torch.equal(metric(torch.where(mask, prediction, 1), stray, mask=mask), expected)


@each_metric
def test_images_without_labels_score_nan(metric: Callable[..., Tensor]) -> None:
    prediction, target = batch(12, 15)
    mask = torch.ones(prediction.shape, dtype=torch.bool)
    mask[1] = False
    scores = metric(prediction, target, mask=mask)
    assert scores[1].isnan().all()
    whole = metric(prediction, target)
    assert torch.equal(scores[[0, 2]], whole[[0, 2]])


@each_metric
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.zeros(2, 2, 4, 4), torch.zeros(2, 2, 4, 4)), ValueError, r"prediction must be \(B, 1, H, W\).*\(2, 2,"),
        ((torch.zeros(4, 4), torch.zeros(4, 4)), ValueError, "prediction must be"),
        ((torch.zeros(1, 1, 4), torch.zeros(1, 1, 4)), ValueError, "prediction must be"),
        ((torch.zeros(0, 1, 4, 4), torch.zeros(0, 1, 4, 4)), ValueError, "prediction is empty"),
        ((torch.zeros(1, 1, 0, 4), torch.zeros(1, 1, 0, 4)), ValueError, "prediction is empty"),
        ((torch.zeros(2, 1, 4, 4), torch.zeros(1, 1, 4, 4)), ValueError, r"target has shape \(1, 1, 4, 4\)"),
        ((torch.full((1, 1, 4, 4), 0.5), torch.zeros(1, 1, 4, 4)), ValueError, "prediction must be a binary.*has 0.5"),
        ((torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 255)), ValueError, "target must be a binary.*has 255"),
        ((torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), torch.nan)), ValueError, "target must be .*has nan"),
    ],
)
def test_bad_images(
    metric: Callable[..., Tensor], arguments: tuple[Tensor, Tensor], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        metric(*arguments)


@each_metric
def test_bad_masks(metric: Callable[..., Tensor]) -> None:
    image = torch.zeros(1, 1, 4, 4)
    with pytest.raises(TypeError, match=r"mask must be bool.*float32"):
        metric(image, image, mask=image)
    with pytest.raises(ValueError, match=r"mask has shape \(1, 1, 4, 5\)"):
        metric(image, image, mask=torch.ones(1, 1, 4, 5, dtype=torch.bool))


@pytest.mark.parametrize("metric", OF_COMPONENTS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"component_value": 2}, "component_value must be 0 or 1, got 2"),
        ({"connectivity": 0}, "connectivity .*0"),
        ({"connectivity": 3}, "connectivity .*3"),
    ],
)
def test_bad_options(metric: Callable[..., Tensor], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), **options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@each_metric
def test_scores_are_where_the_prediction_is(metric: Callable[..., Tensor]) -> None:
    prediction, target = batch(12, 15)
    mask = target == target
    scores = metric(prediction.cuda(), target.cuda(), mask=mask.cuda())
    assert scores.is_cuda
    assert torch.equal(scores.cpu(), metric(prediction, target))


def test_neither_ignite_nor_scikit_learn_is_needed() -> None:
    program = """
import sys
sys.modules.update({"ignite": None, "sklearn": None})
import torch
from monai_cwmi.metrics import VariationOfInformationMetric, functional
image = torch.ones(1, 1, 4, 4)
print([getattr(functional, name)(image, image).flatten().tolist() for name in functional.__all__])
print(VariationOfInformationMetric()(image, image).tolist())
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stdout.split("\n") == ["[[1.0], [0.0], [1.0], [0.0], [0.0]]", "[[0.0]]", ""], ran.stderr
