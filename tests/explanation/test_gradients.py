from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from monai_cwmi import CWMILoss
from monai_cwmi.bands.spec import BandOptions
from monai_cwmi.explanation import compute_gradients
from monai_cwmi.explanation.gradients import FLOOR
from monai_cwmi.functional import measure_bands
from monai_cwmi.measures import MutualInformation, ResidualError


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    """Probabilities and one-hot target ``(3, spatial)``, in float64."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(3, *shape, generator=generator, dtype=torch.float64)
    target = torch.nn.functional.one_hot((scores + torch.rand(3, *shape, generator=generator)).argmax(0), 3)
    return torch.softmax(3 * scores, 0), target.movedim(-1, 0).double()


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((40, 36), {"num_levels": 3}),
        ((24, 20, 4), {"num_levels": 2}),
        ((20, 16, 18), {"num_levels": 2, "slice_dims": None, "spacing": (1.0, 1.0, 1.5)}),
    ],
)
def test_gradients_are_differences_of_the_terms(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    probabilities, target = pair(*shape)

    def terms(p: Tensor) -> Tensor:
        """Less the errors and plus the information of each level, written out."""
        entropy = -(target * p.log()).sum(0).mean()
        axes = tuple(range(1, p.ndim))
        dice = 1 - (2 * (p * target).sum(axes) + 1) / (p.sum(axes) + target.sum(axes) + 1)
        measures = MutualInformation(), ResidualError()
        information, errors = measure_bands(p[None], target[None], measures, BandOptions(**options))
        orientations = 6 if options.get("slice_dims", 0) is None else 4
        bases = torch.stack((-entropy, -dice.mean()))
        return torch.cat((bases, information[:, 0].mean(1) / orientations, -errors[:, 0].mean(1)))

    loss = CWMILoss(softmax=True, weight=None, gate=False, **options)
    gradients = compute_gradients(probabilities, target, loss)
    names = [gradient.term for gradient in gradients]
    assert names[2:-2] == ["mutual_information"] * options["num_levels"]
    assert names[:2] + names[-2:] == ["cross_entropy", "dice", "highpass_error", "lowpass_error"]
    together = torch.stack([gradient.values for gradient in gradients])
    floored, step = (1 - 3 * FLOOR) * probabilities + FLOOR, 1e-5
    for channel, index in ((0, 3), (1, 2), (2, 1)):
        place: list[Any] = [index] * len(shape)
        change = torch.zeros_like(floored)
        change[(slice(None), *place)] = -1 / 3
        change[(channel, *place)] += 1  # what one class gets, the others give, and the sum stays
        difference = (terms(floored + step * change) - terms(floored - step * change)) / (2 * step)
        torch.testing.assert_close(together[(slice(None), channel, *place)], difference, rtol=1e-5, atol=1e-9)


def test_gradients_add_up_to_nothing_and_point_to_the_target() -> None:
    target = pair(32, 32)[1]
    gradients = compute_gradients(target.roll(2, 1), target)
    for gradient in (each.values for each in gradients):
        torch.testing.assert_close(gradient.sum(0), torch.zeros(32, 32, dtype=torch.float64), atol=1e-12, rtol=0)
    wrong = target.argmax(0) != target.roll(2, 1).argmax(0)
    assert (gradients[0].values.argmax(0) == target.argmax(0))[wrong].all()


def test_images_without_levels() -> None:
    probabilities, target = pair(2, 2)
    gradients = compute_gradients(probabilities, target)
    assert [gradient.term for gradient in gradients] == ["cross_entropy", "dice"]
    assert gradients[0].values.isfinite().all()
