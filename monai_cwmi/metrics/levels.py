"""What a prediction's bands tell of its target's, level by level, in numbers for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from monai_cwmi.bands.spec import BandOptions, relative_spacing
from monai_cwmi.functional import measure_bands
from monai_cwmi.measures import ExplainedVariance, InformationBound, MutualInformation


class LevelInformation(NamedTuple):
    """What a prediction says of its target, ``(N, B, C)`` each, finest level first, in float64.

    Levels at which an image has too few independent coefficients are left out, as in the loss.

    Attributes:
        explained_variance: Share of the variance of the target's bands that the prediction's bands explain, corrected
            for chance (adjusted R^2): 1 is a perfect prediction, and one that says nothing is around 0 and may be a
            little below; NaN where the target has none (an absent class).
        information: ``I_n(prediction, target)`` in nats, as the loss has it.
        bound: ``I_n(target, target)`` in nats, the most that a prediction can hold; it depends on ``alpha``.
    """

    explained_variance: Tensor
    information: Tensor
    bound: Tensor


def information_by_level(
    prediction: Tensor,
    target: Tensor,
    *,
    num_levels: int = 4,
    num_orientations: int | None = None,
    is_complex: bool = True,
    alpha: float = 5e-4,
    mask: Tensor | None = None,
    slice_dims: Sequence[int] | None = (-1,),
    spacing: Sequence[float] | None = None,
) -> LevelInformation:
    r"""How much of a target's structure a prediction explains at each scale.

    The loss regresses the target's bands on the prediction's and takes the log-determinant of what is left. Here the
    trace of the same matrices gives a share:

    .. math::
        R^2_n = \frac{tr\left(G_{YP} (G_{PP} + \alpha I)^{-1} G_{YP}^H\right)}{tr\, G_{YY}}

    the coefficient of determination of that regression. At a coarse level of a small image chance alone explains much;
    the share is corrected for it (:class:`monai_cwmi.measures.ExplainedVariance`). It is 1 when the prediction is the
    target and around 0 when it says nothing. Nats do not make such a share: they are logarithms, and their bound is set
    by ``alpha``. A label that is moved by one pixel explains nine tenths of its fine structure, with a seventh of the
    bound in nats.

    Like the information, it does not tell ``p`` from ``1 - p``, nor a weak prediction from a strong one. Of a volume
    that is compared slice by slice, energies are added up over the slices before they are divided.

    Args:
        prediction: Probabilities ``(B, C, H, W)`` or ``(B, C, H, W, D)``. Class indices made one-hot are probabilities
            too; what is then said is said of the thresholded prediction.
        target: The same shape, values in [0, 1].
        num_levels: As in :func:`monai_cwmi.functional.mutual_information`, and so all that follows.
        num_orientations: ``K``.
        is_complex: Complex pyramid or real one.
        alpha: Ridge of the regression.
        mask: ``(B, 1 or C, spatial)``, 0 where voxels do not count.
        slice_dims: Axes that volumes are cut along.
        spacing: Size of a voxel along each axis.

    Raises:
        ValueError: As :func:`monai_cwmi.functional.mutual_information`.

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 1, 64, 64)
        >>> target[..., 16:48, 16:48] = 1
        >>> blurred = torch.nn.functional.avg_pool2d(target, 7, stride=1, padding=3)
        >>> [f"{share:.0%}" for share in information_by_level(blurred, target).explained_variance[:, 0, 0]]
        ['31%', '43%', '97%', '100%']

    References:
        D. Stewart and W. Love, "A general canonical correlation index", Psychological Bulletin 70(3), 1968 (the
        redundancy index, which this share is).
    """
    # In float64, as rounding errors of float32 may be larger than alpha and would be explained, too.
    pair = prediction.double(), target.double()
    measures = ExplainedVariance(alpha), MutualInformation(alpha), InformationBound(alpha)
    options = BandOptions(
        num_levels, num_orientations, is_complex, "centred", slice_dims, spacing, only_comparable=True
    )
    return LevelInformation(*measure_bands(*pair, measures, options, mask=mask))


def structure_sizes(
    num_levels: int,
    spatial_dims: int,
    *,
    slice_dims: Sequence[int] | None = (-1,),
    spacing: Sequence[float] | None = None,
) -> list[float]:
    """Width of the structures that each level is about, finest first.

    Level ``n`` is centred on waves of ``pi / 2**n`` radians a sample, ``2**(n + 1)`` samples long. Their bright half,
    ``2**n`` samples of the finest spacing among the axes that are compared, is the size of a structure here. A level
    reaches one octave to either side.

    Args:
        num_levels: ``N``.
        spatial_dims: 2 or 3.
        slice_dims: Axes that volumes are cut along, or ``None`` for volumes as a whole.
        spacing: Size of a sample along each axis, in any unit, in which the result is. Default: 1.

    Raises:
        ValueError: When ``spacing`` are not ``spatial_dims`` positive and finite numbers.

    Example:
        >>> structure_sizes(4, 2)
        [2.0, 4.0, 8.0, 16.0]
        >>> structure_sizes(3, 3, slice_dims=None, spacing=(0.8, 0.8, 3.0))
        [1.6, 3.2, 6.4]
    """
    relative_spacing(spacing, spatial_dims)  # which checks it
    steps = [1.0] * spatial_dims if spacing is None else [float(step) for step in spacing]
    if spatial_dims == 3 and slice_dims is not None and len(slice_dims) == 1:
        del steps[slice_dims[0]]  # the axis that is cut along is not looked along
    return [2**level * min(steps) for level in range(1, num_levels + 1)]
