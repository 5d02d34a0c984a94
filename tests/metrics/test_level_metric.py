from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor

from monai_cwmi.metrics import InformationByLevelMetric, information_by_level


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    """Probabilities and one-hot target ``(2, 3, 64, 72)``; the second image has no class 2."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 16, 18, generator=generator)
    scores = torch.nn.functional.interpolate(coarse, size=(64, 72), mode="bicubic")
    labels = scores.argmax(1)
    labels[1][labels[1] == 2] = 0
    target = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    noise = torch.rand(2, 3, 64, 72, generator=generator)
    return torch.softmax(6 * scores + 2 * noise, 1), target


def test_each_image_and_channel_scores_what_the_function_says(pair: tuple[Tensor, Tensor]) -> None:
    expected = information_by_level(*pair).explained_variance.permute(1, 2, 0)  # (B, C, N)
    metric = InformationByLevelMetric(reduction="none")
    torch.testing.assert_close(metric(*pair), expected, equal_nan=True)
    torch.testing.assert_close(metric.aggregate(), expected, equal_nan=True)
    assert expected[1, 2].isnan().all()
    assert expected[0].isfinite().all()


def test_reductions_keep_the_levels_apart_and_leave_absent_classes_out(pair: tuple[Tensor, Tensor]) -> None:
    shares = information_by_level(*pair).explained_variance.permute(1, 2, 0).float()
    metric = InformationByLevelMetric(get_not_nans=True)
    for image in range(2):
        metric([pair[0][image]], [MetaTensor(pair[1][image])])
    mean, count = metric.aggregate()
    torch.testing.assert_close(mean.float(), shares.nanmean(0))
    assert count.tolist() == [[2] * 4, [2] * 4, [1] * 4]
    torch.testing.assert_close(metric.aggregate("mean_channel")[0].float(), shares.nanmean(1))
    torch.testing.assert_close(metric.aggregate("mean")[0].float(), shares.nanmean(1).mean(0))
    metric.reset()
    with pytest.raises(ValueError, match="InformationByLevelMetric has scored no image yet"):
        metric.aggregate()


def test_the_background_may_be_left_out(pair: tuple[Tensor, Tensor]) -> None:
    scores = InformationByLevelMetric(include_background=False)(*pair)
    torch.testing.assert_close(scores, InformationByLevelMetric()(*pair)[:, 1:], equal_nan=True)


def test_levels_without_room_score_nan(pair: tuple[Tensor, Tensor]) -> None:
    scores = InformationByLevelMetric()(*(image[..., :10] for image in pair))
    assert scores.shape == (2, 3, 4)
    assert scores[0, 0].isnan().tolist() == [False, False, True, True]


def test_the_spacing_of_each_affine() -> None:
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(1, 32, 32, 6, generator=generator) > 0.5).float()
    prediction = (target + torch.rand(1, 32, 32, 6, generator=generator)) / 2
    steps = [(1.0, 1.0, 3.0), (1.0, 2.0, 3.0)]
    targets = [MetaTensor(target, affine=torch.diag(torch.tensor([-x, y, z, 1.0]))) for x, y, z in steps]
    scores = InformationByLevelMetric(spacing="affine")([prediction] * 2, targets)
    for score, step in zip(scores, steps, strict=True):
        expected = information_by_level(prediction[None], target[None], spacing=step).explained_variance[:, 0, 0]
        torch.testing.assert_close(score[0, : len(expected)], expected)
        assert score[0, len(expected) :].isnan().all()
    assert not torch.allclose(scores[0], scores[1], equal_nan=True)


def test_unlabelled_pixels_do_not_count(pair: tuple[Tensor, Tensor]) -> None:
    prediction, target = pair[0].clone(), pair[1].clone()
    target[..., :10] = 0
    first = InformationByLevelMetric()(prediction, target)
    prediction[..., :10] = 0.5
    torch.testing.assert_close(InformationByLevelMetric()(prediction, target), first, equal_nan=True)


def test_bad_arguments(pair: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match="'average' is not a valid MetricReduction"):
        InformationByLevelMetric(reduction="average")
    with pytest.raises(ValueError, match=r"one shape \(B, C, spatial\), got \(2, 3, 64, 72\) and \(2, 2, 64, 72\)"):
        InformationByLevelMetric()(pair[0], pair[1][:, :2])
    with pytest.raises(ValueError, match="needs a target or an input that is a MetaTensor"):
        InformationByLevelMetric(spacing="affine")(*pair)
