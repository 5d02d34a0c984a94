"""Hypothesis strategies: pairs of images that a segmentation loss may meet, and the options of a pyramid."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor


class Recipe(NamedTuple):
    """An image in three words: its kind, an amount in [0, 1] that each kind reads its own way, and a seed."""

    kind: str
    amount: float
    seed: int


class Pair(NamedTuple):
    """Predictions and targets ``(B, C, H, W)`` as recipes, which hypothesis can print and shrink."""

    shape: tuple[int, int, int, int]
    masks: tuple[Recipe, ...]  # one for each image and channel
    predictions: tuple[Recipe, ...]

    def make(
        self, dtype: torch.dtype = torch.float64, target_dtype: torch.dtype | None = None
    ) -> tuple[Tensor, Tensor]:
        """Prediction and target; the prediction is rounded to the dtype, which may leave little of its contrast."""
        masks = [MASKS[mask.kind](self.shape[2:], mask.amount, _generator(mask)) for mask in self.masks]
        predictions = [
            PREDICTIONS[p.kind](mask, p.amount, _generator(p)) for p, mask in zip(self.predictions, masks, strict=True)
        ]
        prediction, target = (torch.stack(images).reshape(self.shape) for images in (predictions, masks))
        return prediction.to(dtype), target.to(target_dtype or dtype)


def _generator(recipe: Recipe) -> torch.Generator:
    return torch.Generator().manual_seed(recipe.seed)


def _uniform(shape: tuple[int, ...] | torch.Size, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=generator)


def _blobs(shape: tuple[int, int], amount: float, generator: torch.Generator) -> Tensor:
    cell = 2 + int(14 * amount)
    coarse = _uniform((1, 1, *(max(2, n // cell) for n in shape)), generator)
    return (torch.nn.functional.interpolate(coarse, size=shape, mode="bicubic")[0, 0] > 0.5).double()


def _one_pixel(shape: tuple[int, int], amount: float, generator: torch.Generator) -> Tensor:
    mask = torch.zeros(shape, dtype=torch.float64)
    mask.view(-1)[int(torch.randint(mask.numel(), (), generator=generator))] = 1
    return mask


def _checkerboard(shape: tuple[int, int], amount: float, generator: torch.Generator) -> Tensor:
    cell = 1 + int(15 * amount)
    rows, columns = (torch.arange(n) // cell for n in shape)
    return ((rows[:, None] + columns) % 2).double()


def _stripes(axis: int) -> Callable[[tuple[int, int], float, torch.Generator], Tensor]:
    def make(shape: tuple[int, int], amount: float, generator: torch.Generator) -> Tensor:
        period = 2 + int(30 * amount)
        along = (torch.arange(shape[axis]) % period < period / 2).double()
        return (along[:, None] if axis == 0 else along).expand(shape).clone()

    return make


MASKS: dict[str, Callable[[tuple[int, int], float, torch.Generator], Tensor]] = {
    "random": lambda shape, density, generator: (_uniform(shape, generator) < density).double(),
    "blobs": _blobs,
    "one pixel": _one_pixel,
    "row stripes": _stripes(0),
    "column stripes": _stripes(1),
    "checkerboard": _checkerboard,
    "constant": lambda shape, amount, _: torch.full(shape, float(amount > 0.5), dtype=torch.float64),
}


def _scaled(y: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    contrast = 10 ** (-4 * amount)
    return contrast * y + (1 - contrast) * float(_uniform((1,), generator))


def _shifted(y: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    return y.roll([int(torch.randint(n, (), generator=generator)) for n in y.shape], (0, 1))


PREDICTIONS: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "uniform": lambda y, _, generator: _uniform(y.shape, generator),
    "saturated": lambda y, density, generator: (_uniform(y.shape, generator) < density).double(),
    "target": lambda y, *_: y.clone(),
    "inverted": lambda y, *_: 1 - y,
    "shifted": _shifted,
    "scaled": _scaled,
    "nearly perfect": lambda y, amount, generator: y.lerp(_uniform(y.shape, generator), 10 ** (-2 - 4 * amount)),
    "half noise": lambda y, _, generator: 0.5 * y + 0.5 * _uniform(y.shape, generator),
    "constant": lambda y, amount, _: torch.full_like(y, amount),
}


def _recipes(kinds: Iterable[str]) -> st.SearchStrategy[Recipe]:
    amounts = st.integers(0, 1000).map(lambda n: n / 1000)
    return st.builds(Recipe, st.sampled_from(sorted(kinds)), amounts, st.integers(0, 9999))


# Mostly small, for speed. At powers of 2 and next to them the number of levels changes.
SIDES = st.one_of(
    st.integers(8, 40), st.sampled_from([8, 9, 16, 17, 32, 33, 64]), st.integers(41, 128), st.integers(129, 300)
)
INPUT_DTYPES = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])
TARGET_DTYPES = st.sampled_from([torch.bool, torch.uint8, torch.int64, torch.float16, torch.float32, torch.float64])


@st.composite
def pairs(
    draw: st.DrawFn, max_batch: int = 3, channels: tuple[int, int] = (1, 2), predictions: Iterable[str] = PREDICTIONS
) -> Pair:
    """Pairs of images of any shape from 8 x 8 to 300 x 300."""
    shape = draw(st.integers(1, max_batch)), draw(st.integers(*channels)), draw(SIDES), draw(SIDES)
    images = shape[0] * shape[1]
    recipes = (st.lists(_recipes(kinds), min_size=images, max_size=images) for kinds in (MASKS, predictions))
    return Pair(shape, *(tuple(draw(recipe)) for recipe in recipes))


def options() -> st.SearchStrategy[dict[str, Any]]:
    """Options of a pyramid."""
    orientations = st.sampled_from([2, 3, 4, 6, 8, 12])
    return st.fixed_dictionaries(
        {"num_levels": st.integers(1, 5), "num_orientations": orientations, "is_complex": st.booleans()}
    )
