"""Weights of a spectrum's frequencies in sums over the pixels of products of bands.

A product of two bands' filters is ``R_n(r)**2`` times a homogeneous polynomial of the direction. Which polynomial
depends on the sector: the lobes that are not zero there. The tables sort the frequencies by level and sector, so that a
few harmonics of the direction serve all pairs of orientations. ``docs/explanation/mathematics.md``, 'Few weights for
many pairs' and 'Volumes', derives each line.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from monai_cwmi.bands.filters import (
    angular_frequencies,
    at_nyquist,
    fft_frequencies,
    lobe_amplitude,
    lobe_order,
    orientation_axes,
    orientation_cosines,
    polar,
    radial_window,
    residual_filters,
)
from monai_cwmi.bands.independence import independent_coefficients
from monai_cwmi.bands.spec import PyramidSpec

# Short enough for a sum in single precision, long enough for a matrix product to be efficient.
_LONGEST_BLOCK = 256

# Off every plane between two sectors, and into the half of the frequencies that a real transform keeps.
_NUDGE = 1e-9 * torch.tensor([0.48, 0.65, 1.0], dtype=torch.float64)


class Tables(NamedTuple):
    """Frequencies of the ``rfftn`` half space in blocks of one level and one sector, and their weights.

    A frequency has an entry in each level that it belongs to. Odd levels come first, then even ones; within either, no
    frequency occurs twice. The last block of each level and sector is filled up with frequency 0, of weight 0.

    Attributes:
        indices: Index of each entry in the flattened half space, ``(Q,)``.
        num_odd: How many of these belong to odd levels.
        weights: Window and harmonics at each frequency, ``(Q // L, A, L)``: ``A`` harmonics (``2 K - 1`` in the plane,
            6 or 15 in space), ``L`` frequencies to a block.
        level: Level of each block, from 0, ``(Q // L,)``.
        segment: Level and sector of each block as one number, ``(Q // L,)``.
        members: Ones where a block belongs to a segment, float64 ``(N S, Q // L)``, ``S`` sectors.
        even: From a segment's sums of real parts to covariances, float64 ``(S A, F F)`` of ``F`` bands.
        odd: The same for imaginary parts, which count nothing in the real pyramid.
        lowpass_indices: Index in the flattened half space of the frequencies around the low-pass band, 0 included,
            ``(R,)``.
        lowpass_weights: Squared low-pass filter at each of them, ``(R,)``.
        num_independent: Of the high-pass band, of a band at each level and of the low-pass band, float64 ``(N + 2,)``;
            see :class:`monai_cwmi.bands.moments.Moments`.
    """

    indices: Tensor
    num_odd: int
    weights: Tensor
    level: Tensor
    segment: Tensor
    members: Tensor
    even: Tensor
    odd: Tensor
    lowpass_indices: Tensor
    lowpass_weights: Tensor
    num_independent: Tensor


def index_bound(spatial_shape: tuple[int, ...], spec: PyramidSpec) -> int:
    """A bound of ``Q`` that does not need the tables: the frequencies of all levels, and a block for each sector.

    A frequency is in two levels at most. Those of even spacing fit once into the half space all the same, whose corners
    are in none.
    """
    times = 1 if set(spec.spacing) == {1.0} else 2
    segments = spec.num_levels * _most_sectors(spec)
    return times * _half_space(spatial_shape) + segments * _block_length(spatial_shape, spec)


def make_tables(spatial_shape: tuple[int, ...], spec: PyramidSpec, dtype: torch.dtype, device: torch.device) -> Tables:
    """Tables of the centred grid.

    Args:
        spatial_shape: Size ``(H, W)`` or ``(H, W, D)`` of the image in pixels.
        spec: The pyramid, of no more levels than fit.
        dtype: Of the weights.
        device: Of all tensors.
    """
    dims = len(spatial_shape)
    *others, last = spatial_shape
    half_space = (*(fft_frequencies(size) for size in others), torch.arange(last // 2 + 1, dtype=torch.float64))
    radius, direction = polar(angular_frequencies(half_space, spatial_shape, spec.spacing).flatten(0, -2))
    radius = radius.masked_fill(at_nyquist(half_space, spatial_shape).flatten(), torch.inf)  # beyond all windows
    # A frequency stands for its mirror image too; column 0 holds both.
    multiplicity = torch.where(half_space[-1] == 0, 0.5, 1.0).expand(*others, -1).flatten()
    # The lobes that point to each frequency, as the bits of a number.
    code = _facing(direction, spec.num_orientations).long() @ (2 ** torch.arange(spec.num_orientations))
    sectors, sector = code.unique(return_inverse=True)
    num_sectors = len(sectors)
    block = _block_length(spatial_shape, spec)

    indices, weights, segments = [], [], []
    num_odd = 0
    for level in sorted(range(1, spec.num_levels + 1), key=lambda n: (n % 2 == 0, n)):
        window = radial_window(radius, level)
        inside = (window > 0).nonzero()[:, 0]
        inside = inside[sector[inside].argsort(stable=True)]
        counts = sector[inside].bincount(minlength=num_sectors).tolist()
        for s, members in enumerate(inside.split(counts)):
            padding = -len(members) % block
            # From a sum over frequencies of an orthonormal transform to one over the level's pixels.
            scale = 2.0 ** (dims * (level - 1)) * multiplicity[members] * window[members].square()
            weight = scale[:, None] * _harmonics(direction[members], spec.num_orientations)
            indices.append(torch.cat((members, members.new_zeros(padding))))
            weights.append(torch.cat((weight, weight.new_zeros(padding, weight.shape[1]))))
            segments += [(level - 1) * num_sectors + s] * (len(indices[-1]) // block)
            num_odd += len(indices[-1]) if level % 2 == 1 else 0

    segment = torch.tensor(segments, dtype=torch.long)
    belongs = torch.arange(spec.num_levels * num_sectors)[:, None] == segment
    facing = sectors[:, None] // 2 ** torch.arange(spec.num_orientations) % 2 == 1  # (S, K)
    even, odd = _mixing(facing, spec)
    lowpass_indices, lowpass_weights = _lowpass(spatial_shape, spec)
    return Tables(
        indices=torch.cat(indices).to(device),
        num_odd=num_odd,
        weights=torch.cat(weights).unflatten(0, (-1, block)).mT.contiguous().to(device, dtype),
        level=segment.to(device) // num_sectors,
        segment=segment.to(device),
        members=belongs.to(device, torch.float64),
        even=even.to(device),
        odd=odd.to(device),
        lowpass_indices=lowpass_indices.to(device),
        lowpass_weights=lowpass_weights.to(device, dtype),
        num_independent=torch.tensor(independent_coefficients(spatial_shape, spec), dtype=torch.float64, device=device),
    )


def lowpass_shape(spatial_shape: tuple[int, ...], spec: PyramidSpec) -> tuple[int, ...]:
    """Size of the box of the half space that holds the frequencies of the low-pass band."""
    sizes = zip(spatial_shape, spec.spacing, strict=True)
    *reach, last = (math.floor(size * step / 2 ** (spec.num_levels + 1)) for size, step in sizes)
    others = (min(2 * q + 1, size) for q, size in zip(reach, spatial_shape, strict=False))
    return (*others, min(last, spatial_shape[-1] // 2) + 1)


def _lowpass(spatial_shape: tuple[int, ...], spec: PyramidSpec) -> tuple[Tensor, Tensor]:
    *others, last = lowpass_shape(spatial_shape, spec)
    rows = [_nearest_zero(size, kept) for size, kept in zip(spatial_shape, others, strict=False)]
    box = (*rows, torch.arange(last))  # integer frequencies
    weights = residual_filters(tuple(q.double() for q in box), spatial_shape, spec.num_levels, spec.spacing).square()
    weights *= torch.where(box[-1] == 0, 1, 2)
    half = (*spatial_shape[:-1], spatial_shape[-1] // 2 + 1)
    indices = torch.zeros([1] * len(box), dtype=torch.long)
    for axis, (q, size) in enumerate(zip(box, half, strict=True)):
        indices = indices * size + (q % size).reshape([-1 if i == axis else 1 for i in range(len(box))])
    return indices.flatten(), weights.flatten()


def _nearest_zero(size: int, kept: int) -> Tensor:
    """The ``kept`` integer frequencies nearest to 0 of a transform of ``size`` samples, in ascending order."""
    first = size // 2 - kept // 2
    return fft_frequencies(size).long().sort().values[first : first + kept]


def _most_sectors(spec: PyramidSpec) -> int:
    """Into how many sectors the planes at right angles to the orientations cut the half space, at most."""
    if len(spec.spacing) == 2:
        return spec.num_orientations + spec.num_orientations % 2
    return {3: 4, 6: 20}[spec.num_orientations]  # octants; of 32 faces, 12 on either side and 8 that the border cuts


def _facing(direction: Tensor, num_orientations: int) -> Tensor:
    """Which lobes point to a direction ``(..., 2 or 3)``, ``(..., K)``; between two sectors, one of them is taken."""
    return orientation_cosines(direction + _NUDGE[-direction.shape[-1] :], num_orientations) > 0


def _half_space(spatial_shape: tuple[int, ...]) -> int:
    *others, last = spatial_shape
    return math.prod(others) * (last // 2 + 1)


def _block_length(spatial_shape: tuple[int, ...], spec: PyramidSpec) -> int:
    mean_segment = _half_space(spatial_shape) // (spec.num_levels * _most_sectors(spec))
    return min(_LONGEST_BLOCK, max(8, 2 ** math.ceil(math.log2(max(1, mean_segment / 8)))))


def _harmonics(direction: Tensor, num_orientations: int) -> Tensor:
    """Functions of the direction ``(Q, 2 or 3)`` that span the products of two lobes, ``(Q, A)``.

    In the plane ``1, cos 2 theta, ..., sin 2 theta, ...``, in space all monomials of the products' degree.
    """
    order = lobe_order(num_orientations, direction.shape[-1])
    if direction.shape[-1] == 2:
        angle = torch.atan2(direction[:, 1], direction[:, 0])
        multiples = 2 * angle[:, None] * torch.arange(1, order + 1, dtype=torch.float64)
        return torch.cat((torch.ones_like(angle)[:, None], multiples.cos(), multiples.sin()), dim=-1)
    return torch.stack([direction.pow(torch.tensor(power)).prod(-1) for power in _monomials(order)], dim=-1)


def _monomials(order: int) -> list[tuple[int, int, int]]:
    return [(a, b, 2 * order - a - b) for a in range(2 * order + 1) for b in range(2 * order + 1 - a)]


def _expansions(num_orientations: int, dims: int) -> Tensor:
    """Products of two orientations' powers of the cosine as sums of harmonics, ``(A, K, K)``.

    In sums of few terms: a solver's last digits may differ from one process to the next, and the gradient of nearly
    dependent bands tells.
    """
    axes, order = orientation_axes(num_orientations, dims), lobe_order(num_orientations, dims)
    if dims == 2:  # harmonics are orthogonal over as many samples as there are of them
        angles = math.pi / (2 * order + 1) * torch.arange(2 * order + 1, dtype=torch.float64)
        samples = torch.stack((angles.cos(), angles.sin()), dim=-1)
        powers = (samples[:, None] * axes).sum(-1) ** order  # (samples, K)
        harmonics = _harmonics(samples, num_orientations)
        products = harmonics[:, :, None, None] * _pairs(powers, powers)[:, None]
        return products.sum(0) / harmonics.square().sum(0)[:, None, None]

    # Coefficients of a polynomial by the powers of its three variables; times u . v, each moves one power on.
    polynomials = torch.zeros(num_orientations, num_orientations, *[2 * order + 1] * 3, dtype=torch.float64)
    polynomials[..., 0, 0, 0] = 1
    for vectors in (axes[:, None], axes) * order:
        parts = [v[..., None, None, None] * polynomials.roll(1, i - 3) for i, v in enumerate(vectors.unbind(-1))]
        polynomials = torch.stack(parts).sum(0)
    return torch.stack([polynomials[:, :, *power] for power in _monomials(order)])


def _mixing(facing: Tensor, spec: PyramidSpec) -> tuple[Tensor, Tensor]:
    """Products of two bands' lobes as sums of harmonics, for each sector: ``(S A, F F)``, even and odd part.

    Args:
        facing: Which lobes point to a sector, ``(S, K)``.
        spec: The pyramid.
    """
    num_orientations, dims = spec.num_orientations, len(spec.spacing)
    order = lobe_order(num_orientations, dims)
    harmonics = lobe_amplitude(num_orientations, dims, is_complex=False) ** 2 * _expansions(num_orientations, dims)

    # In a sector, the parts |cos|^m and sign(cos) |cos|^m of a lobe are cos^m up to these signs.
    sign = torch.where(facing, 1.0, -1.0).double()  # (S, K)
    parts = torch.stack((sign**order, sign ** (order + 1)))
    (ee, eo), (oe, oo) = ([2 * _pairs(left, right) for right in parts] for left in parts)  # (S, K, K) each
    if not spec.is_complex:
        even, odd = ee, torch.zeros_like(ee)
    elif not spec.in_quadrature:
        even, odd = ee + oo, eo + oe
    else:
        # Twice, so that the information is that of complex bands where these are circular.
        zero = torch.zeros_like(ee)
        even, odd = 2 * _blocks(ee, zero, zero, oo), 2 * _blocks(zero, -eo, oe, zero)
        harmonics = harmonics.repeat(1, 2, 2)
    even, odd = ((signs[:, None] * harmonics).flatten(2).flatten(0, 1) for signs in (even, odd))
    return even, odd


def _pairs(left: Tensor, right: Tensor) -> Tensor:
    return left[..., :, None] * right[..., None, :]


def _blocks(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.cat((torch.cat((a, b), dim=-1), torch.cat((c, d), dim=-1)), dim=-2)
