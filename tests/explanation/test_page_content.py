from __future__ import annotations

from typing import Any

import numpy as np

from monai_cwmi.explanation import compute_bands, compute_gradients, read_case
from monai_cwmi.explanation.page_content import PageContent

OPTIONS = {"num_levels": 2, "num_orientations": None, "slice_dims": (-1,)}


def test_maps_of_a_picture(picture: dict[str, Any]) -> None:
    case = read_case(**picture)
    gradients = compute_gradients(case.probabilities, case.target)
    assert gradients[3][:2] == ("mutual_information", 2)
    content = PageContent(case, gradients, OPTIONS)
    shape = (1, 60, 80)
    assert content.image.shape == content.target.shape == shape
    assert all(content.map_of(kind.key, 1, 0, slice(None)).shape == shape for kind in content.kinds)
    np.testing.assert_array_equal(content.map_of("mutual_information", 2, 1, slice(None))[0], gradients[3].values[2].T)
    bands = compute_bands(case.probabilities[1], case.target[1])
    energy = bands.target[0].abs().square().sum(0).sqrt()
    np.testing.assert_allclose(content.map_of("target_bands", 1, 0, slice(None))[0], energy.T, atol=1e-5)


def test_maps_of_a_volume(volume: dict[str, Any]) -> None:
    case = read_case(**volume)
    content = PageContent(case, compute_gradients(case.probabilities, case.target), OPTIONS)
    np.testing.assert_array_equal(content.target[3, 5], case.target.argmax(0)[:, 34, 3].flip(0))
    every = slice(1, None, 3)
    for kind in content.kinds:
        chosen, everything = (content.map_of(kind.key, 1, 1, slices) for slices in (every, slice(None)))
        assert everything.shape == (12, 40, 32)
        np.testing.assert_allclose(chosen, everything[every], atol=1e-6)
    slice_bands = compute_bands(case.probabilities[1, ..., 4], case.target[1, ..., 4], spacing=case.spacing[:2])
    expected = slice_bands.prediction[0].abs().square().sum(0).sqrt()
    found = content.map_of("prediction_bands", 1, 0, slice(4, 5))[0]
    np.testing.assert_allclose(found, expected.T.flip(0, 1), atol=1e-5)


def test_bands_in_space(volume: dict[str, Any]) -> None:
    case = read_case(**volume)
    content = PageContent(case, compute_gradients(case.probabilities, case.target), OPTIONS | {"slice_dims": None})
    bands = compute_bands(case.probabilities[2], case.target[2], num_levels=1, spacing=case.spacing)
    expected = bands.target[0].abs().square().sum(0).sqrt()
    found = content.map_of("target_bands", 2, 0, slice(5, 6))[0]
    np.testing.assert_allclose(found, expected[..., 5].T.flip(0, 1), atol=1e-5)
