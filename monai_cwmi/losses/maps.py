"""Maps of a target that were computed once at loading and travel as further channels of the label."""

from __future__ import annotations

from torch import Tensor


def split_maps(target: Tensor, num_maps: int, needs: str) -> tuple[Tensor, Tensor]:
    """Take a target apart into the label and the maps behind it.

    A trainer hands a loss the label and nothing else, so a transform of :mod:`monai_cwmi.maps` appends its maps to it.

    Args:
        target: ``(B, 1 + M, spatial)`` with class indices first, or ``(B, C + M, spatial)`` with one-hot classes.
        num_maps: ``M``.
        needs: The transform that computes the maps, to be named in the error.

    Returns:
        The label and the maps ``(B, M, spatial)``.

    Raises:
        ValueError: When there is no channel besides the maps.
    """
    if target.shape[1] <= num_maps:
        raise ValueError(
            f"target must hold the label and {num_maps} map(s) behind it, but has {target.shape[1]} channel(s): add "
            f"{needs} to the training's transforms, before the random ones."
        )
    return target[:, :-num_maps], target[:, -num_maps:]
