from __future__ import annotations

import numpy as np
import torch

from monai_cwmi.explanation import ExplainedCase, choose_view
from monai_cwmi.explanation.planes import grey_values


def case(target: torch.Tensor, prediction: torch.Tensor) -> ExplainedCase:
    first, second = (torch.nn.functional.one_hot(indices, 2).movedim(-1, 0).float() for indices in (target, prediction))
    steps = (1.0,) * target.ndim
    return ExplainedCase(target[None].float(), first, second, ("background", "class 1"), steps, "px", True)


def test_a_large_picture_is_cut_to_where_it_errs_most() -> None:
    target = torch.zeros(300, 100, dtype=torch.long)  # (X, Y)
    prediction = target.clone()
    prediction[200:220, 70:90] = 1
    prediction[20, 20] = 1
    view = choose_view(case(target, prediction), window=50)
    assert (view.axial, view.size, view.shape) == (None, (100, 300), (50, 50))
    shown = view.show(prediction.numpy())
    assert shown.shape == (50, 50)
    assert shown.sum() == 400  # all of the large error
    coarse = view.show(prediction[::2, ::2].numpy())
    assert coarse.shape[0] in (25, 26)
    assert coarse.sum() == 100
    assert view.words == "\n50 x 50 pixels of 100 x 300, where the prediction errs most"


def test_a_volume_shows_the_axial_slice_with_most_of_the_target_front_above() -> None:
    target = torch.zeros(20, 24, 8, dtype=torch.long)
    target[5:10, 5:10, 6] = 1
    target[5, 5, 2] = 1
    view = choose_view(case(target, target))
    assert (view.axial, view.words) == (6, ", axial slice 6")
    marked = torch.zeros(20, 24, 8)
    marked[2, 23, 6] = 1  # far to the left and at the front, in RAS
    shown = view.show(marked.numpy())
    assert shown.shape == (24, 20)
    assert shown[0, 17] == 1  # the patient's left is on the right
    assert np.array_equal(view.show(marked[..., 6].numpy()), shown)
    assert view.show(marked[..., ::2].numpy()).shape == (24, 20)  # slice 3 of 4


def test_grey_values_fill_the_range() -> None:
    target = torch.arange(100).reshape(10, 10) % 2
    values = grey_values(case(target, target))
    assert (values.min(), values.max()) == (0, 1)
    assert grey_values(case(0 * target, target)).max() == 0
