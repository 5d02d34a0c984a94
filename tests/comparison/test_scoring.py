from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_cwmi.comparison.scoring import as_classes, class_indices, score

GENERATOR = torch.Generator().manual_seed(0)
TARGET = torch.zeros(1, 24, 24)
TARGET[:, 4:20, 4:20] = 1
TARGET[:, 8:16, 8:16] = 0
PREDICTION = torch.zeros(1, 24, 24)
PREDICTION[:, 5:20, 4:20] = 1
PREDICTION[:, 9:15, 8:16] = 0


def scores(prediction: torch.Tensor, target: torch.Tensor, **options: int) -> dict[str, float]:
    scored = as_classes(prediction, target, 2, options.pop("ignore_index", None))
    return score(scored, **{"foreground": 1, "component_value": 0} | options)


def test_a_perfect_prediction() -> None:
    values = scores(TARGET, TARGET)
    best = {"miou": 1, "mdice": 1, "ari": 1, "cldice": 1, "surface_dice": 1}
    assert values == {name: best.get(name, 0) for name in values}


def test_overlap_is_the_mean_over_classes() -> None:
    prediction, target = PREDICTION.bool().numpy(), TARGET.bool().numpy()
    both = [(prediction == value, target == value) for value in (False, True)]
    values = scores(PREDICTION, TARGET)
    assert values["miou"] == pytest.approx(np.mean([(p & t).sum() / (p | t).sum() for p, t in both]))
    assert values["mdice"] == pytest.approx(np.mean([2 * (p & t).sum() / (p.sum() + t.sum()) for p, t in both]))


def test_components_are_the_foregrounds_or_those_between() -> None:
    gap = PREDICTION.clone()
    gap[:, 5:9, 12] = 0  # the hole is open now
    assert scores(gap, TARGET, component_value=0)["betti0"] == 1  # hole and surroundings are one
    assert scores(gap, TARGET, component_value=1)["betti0"] == 0
    assert scores(gap, TARGET, component_value=1)["betti1"] == 1


@pytest.mark.parametrize("as_one_hot", [True, False])
def test_unlabelled_pixels_do_not_count(as_one_hot: bool) -> None:
    target = TARGET.clone()
    target[:, :, 12:] = 2
    one_hot = torch.stack([(target[0] == index).float() for index in range(2)]) if as_one_hot else target
    results = []
    for value in (0, 1):
        prediction = PREDICTION.clone()
        prediction[:, :, 12:] = value
        results.append(scores(prediction, one_hot, ignore_index=2))
    assert results[0] == results[1]
    assert results[0]["mdice"] == pytest.approx(scores(PREDICTION[..., :12], TARGET[..., :12])["mdice"])


def test_one_hot_channels_and_indices_agree() -> None:
    channels = torch.cat([1 - PREDICTION, PREDICTION])
    assert scores(channels, TARGET) == scores(PREDICTION, torch.cat([1 - TARGET, TARGET]))


def test_a_prediction_without_foreground() -> None:
    values = scores(torch.zeros_like(TARGET), TARGET)
    assert values["mhd"] == values["assd"] == float("inf")
    assert values["cldice"] == 0


def test_volumes() -> None:
    target, prediction = (each[..., None].expand(1, 24, 24, 5) for each in (TARGET, PREDICTION))
    flat, deep = scores(PREDICTION, TARGET), scores(prediction, target)
    assert deep["mdice"] == pytest.approx(flat["mdice"])
    assert deep["ari"] == pytest.approx(flat["ari"], abs=0.01)  # chance agreement depends on the number of voxels


def test_class_indices() -> None:
    target = TARGET.clone()
    target[:, 0] = 2
    classes, truth = class_indices(as_classes(PREDICTION, target, 2, ignore_index=2))
    assert classes.dtype == truth.dtype == np.uint8
    assert (truth[0] == 255).all()
    np.testing.assert_array_equal(truth[1:], TARGET[0, 1:].numpy())
    np.testing.assert_array_equal(classes[1:], PREDICTION[0, 1:].numpy())


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (torch.rand(1, 24, 24, generator=GENERATOR), "pred has one channel, but not of class indices below 2"),
        (3 * TARGET, "pred has one channel, but not of class indices below 2"),
        (torch.rand(2, 24, 24, generator=GENERATOR), "pred has 2 channels, but not of 0 and 1"),
        (torch.zeros(3, 24, 24), "pred has 3 channels, but there are 2 classes"),
    ],
)
def test_what_is_no_classes(prediction: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_classes(prediction, TARGET, 2)
