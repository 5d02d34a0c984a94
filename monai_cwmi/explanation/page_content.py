"""The arrays that the interactive page shows."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_cwmi.bands.pyramid import SteerablePyramid
from monai_cwmi.explanation.cases import ExplainedCase
from monai_cwmi.explanation.gradients import TermGradient, term_words


class Kind(NamedTuple):
    """A kind of map.

    Attributes:
        key: Its name in the page's data.
        name: Its name for people.
        value: What its values are.
        signed: Whether they are of either sign.
        levels: Whether there is one for each level.
    """

    key: str
    name: str
    value: str
    signed: bool
    levels: bool


_KINDS = (
    Kind("target_bands", "bands of the target", "magnitude", False, True),
    Kind("prediction_bands", "bands of the prediction", "magnitude", False, True),
    Kind("probability", "prediction", "probability", False, False),
)


class PageContent:
    """A case and its maps as ``(slices, rows, columns)``, upright; a picture has one slice.

    Args:
        case: The case.
        gradients: Of the terms.
        options: ``num_levels``, ``num_orientations`` and ``slice_dims`` of the comparison.
    """

    def __init__(self, case: ExplainedCase, gradients: list[TermGradient], options: dict[str, Any]) -> None:
        self.case = case
        self.gradients = gradients
        self.options = options

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of maps: a gradient for each term, those with levels first, then bands and probabilities."""
        terms = {gradient.term: gradient.level is not None for gradient in self.gradients}
        ordered = sorted(terms, key=lambda term: not terms[term])
        of_terms = [Kind(term, f"gradient of the {term_words(term)}", "nats", True, terms[term]) for term in ordered]
        return (*of_terms, *_KINDS)

    @cached_property
    def image(self) -> np.ndarray:
        """Grey values; of a colour image the mean of its channels."""
        return _upright(self.case.image.mean(0))

    @cached_property
    def target(self) -> np.ndarray:
        """Class indices."""
        return _upright(self.case.target.argmax(0))

    @cached_property
    def prediction(self) -> np.ndarray:
        """Class indices."""
        return _upright(self.case.probabilities.argmax(0))

    def map_of(self, key: str, index: int, level: int, slices: slice) -> np.ndarray:
        """A map of some slices.

        Args:
            key: Of the kind.
            index: Of the class.
            level: From 0.
            slices: Which.
        """
        for gradient in self.gradients:
            if gradient.term == key and gradient.level in (None, level + 1):
                return _upright(gradient.values[index])[slices]
        if key == "probability":
            return _upright(self.case.probabilities[index])[slices]
        tensor = self.case.target if key == "target_bands" else self.case.probabilities
        return self._magnitude(tensor[index], level, slices)

    def _magnitude(self, tensor: Tensor, level: int, slices: slice) -> np.ndarray:
        """Root of the energy of all orientations of a level, on the image's grid."""
        in_space = tensor.ndim == 3 and self.options["slice_dims"] is None
        dims = 3 if in_space else 2
        pyramid = SteerablePyramid(
            level + 1,
            self.options["num_orientations"],
            spatial_dims=dims,
            spacing=self.case.spacing if in_space else self.case.spacing[:2],
        )
        # (1, X, Y[, Z]) or (S, X, Y)
        images = tensor[None] if in_space or tensor.ndim == 2 else tensor.movedim(-1, 0)[slices]
        rows = []
        for image in images:  # one at a time: the bands are many times as large
            band = pyramid(image).bands[level]  # (K, h, w)
            energy = band.abs().square().sum(0).sqrt()
            rows.append(F.interpolate(energy[None, None], size=image.shape, mode="nearest")[0, 0])
        stacked = torch.stack(rows)
        if in_space:
            return _upright(stacked[0])[slices]
        return _upright(stacked.movedim(0, -1)) if tensor.ndim == 3 else _upright(stacked[0])


def _upright(tensor: Tensor) -> np.ndarray:
    """``(X, Y)`` or ``(X, Y, Z)`` as ``(slices, rows, columns)``, a volume's front above and its right on the left."""
    array = tensor.detach().numpy()
    return array.T[None] if array.ndim == 2 else array.transpose(2, 1, 0)[:, ::-1, ::-1]
