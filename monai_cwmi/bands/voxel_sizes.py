"""Size of a voxel, given or taken from a MetaTensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from monai_cwmi.bands.spec import relative_spacing


def voxel_sizes(
    prediction: Tensor, target: Tensor, spacing: Sequence[float] | Literal["affine"] | None
) -> list[Sequence[float] | None]:
    """Size of a voxel along each spatial axis: one for all images of a batch, or one for each.

    Args:
        prediction: ``(B, C, spatial)``.
        target: ``(B, C, spatial)``.
        spacing: The size, or ``"affine"`` for that of the target's, or else the prediction's, affine.

    Raises:
        ValueError: When it is another word, or the affine is asked for and neither is a MetaTensor.
    """
    if not isinstance(spacing, str):
        return [spacing]
    if spacing != "affine":
        raise ValueError(f'spacing must be the size of a voxel along each axis, "affine" or None, got {spacing!r}.')
    for tensor in (target, prediction):
        affine = getattr(tensor, "affine", None)  # of a MetaTensor
        if affine is not None:
            from monai.data.utils import affine_to_spacing  # at the top it would take seconds to import

            # A plane image may have the affine of the volume that it comes from, whose first two axes are then its own.
            affines = affine if affine.ndim == 3 else affine[None]
            dims = tensor.ndim - 2
            sizes = [relative_spacing(affine_to_spacing(one, len(one) - 1)[:dims], dims) for one in affines]
            return list(sizes) if len(set(sizes)) > 1 else [sizes[0]]
    raise ValueError("spacing='affine' needs a target or an input that is a MetaTensor: neither has an affine.")
