"""Weights of a spectrum's frequencies in sums over the pixels of products of bands.

A product of two bands' filters is ``R_n(r)**2`` times a trigonometric polynomial of the angle. Which polynomial depends
on the sector: the lobes that are not zero there. The tables sort the frequencies by level and sector, so that a few
harmonics of the angle serve all pairs of orientations. ``docs/mathematics.md``, 'Few weights for many pairs', derives
each line.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

import torch
from torch import Tensor

from monai_cwmi.filters import PyramidSpec, fft_frequencies, lobe_amplitude, orientation_cosines, polar, radial_window

# Short enough for a sum in single precision, long enough for a matrix product to be efficient.
_LONGEST_BLOCK = 256


class Tables(NamedTuple):
    """Frequencies of the ``rfft2`` half plane in blocks of one level and one sector, and their weights.

    A frequency has a place in each level that it belongs to. Odd levels come first, then even ones; within either, no
    frequency occurs twice. The last block of each level and sector is filled up with frequency 0, of weight 0.

    Attributes:
        places: Place in the flattened half plane, ``(Q,)``.
        num_odd: How many of these belong to odd levels.
        weights: Window and harmonics at each frequency, ``(Q // L, A, L)``: ``A = 2 K - 1`` harmonics, ``L``
            frequencies to a block.
        level: Level of each block, from 0, ``(Q // L,)``.
        segment: Level and sector of each block as one number, ``(Q // L,)``.
        members: Ones where a block belongs to a segment, float64 ``(N S, Q // L)``, ``S`` sectors.
        even: From a segment's sums of real parts to covariances, float64 ``(S A, K K)``.
        odd: The same for imaginary parts, which count nothing in the real pyramid.
    """

    places: Tensor
    num_odd: int
    weights: Tensor
    level: Tensor
    segment: Tensor
    members: Tensor
    even: Tensor
    odd: Tensor


def place_bound(spatial_shape: tuple[int, int], spec: PyramidSpec) -> int:
    """A bound of ``Q`` that does not need the tables: the half plane, and a block for each level and sector."""
    height, width = spatial_shape
    return height * (width // 2 + 1) + spec.num_levels * _num_sectors(spec) * _LONGEST_BLOCK


def make_tables(spatial_shape: tuple[int, int], spec: PyramidSpec, dtype: torch.dtype, device: torch.device) -> Tables:
    """Tables of the centred grid.

    Args:
        spatial_shape: Size ``(H, W)`` of the image in pixels.
        spec: The pyramid, of no more levels than fit.
        dtype: Of the weights.
        device: Of all tensors.
    """
    height, width = spatial_shape
    columns = torch.arange(width // 2 + 1, dtype=torch.float64)
    radius, angle = (t.flatten() for t in polar((fft_frequencies(height), columns), spatial_shape))
    # A frequency stands for its mirror image too; column 0 holds both. (That of Nyquist is beyond all windows.)
    multiplicity = torch.where(columns == 0, 0.5, 1.0).expand(height, -1).flatten()
    num_sectors, order = _num_sectors(spec), spec.num_orientations
    sector = (angle * order / math.pi + order % 2 / 2).long().clamp_max(num_sectors - 1)
    block = _block_length(len(radius) // (spec.num_levels * num_sectors))

    places, weights, segments = [], [], []
    num_odd = 0
    for level in sorted(range(1, spec.num_levels + 1), key=lambda n: (n % 2 == 0, n)):
        window = radial_window(radius, level)
        inside = (window > 0).nonzero()[:, 0]
        inside = inside[sector[inside].argsort(stable=True)]
        counts = sector[inside].bincount(minlength=num_sectors).tolist()
        for s, members in enumerate(inside.split(counts)):
            padding = -len(members) % block
            # From a sum over frequencies of an orthonormal transform to one over the level's pixels.
            scale = 4.0 ** (level - 1) * multiplicity[members] * window[members].square()
            weight = scale[:, None] * _harmonics(angle[members], order)
            places.append(torch.cat((members, members.new_zeros(padding))))
            weights.append(torch.cat((weight, weight.new_zeros(padding, weight.shape[1]))))
            segments += [(level - 1) * num_sectors + s] * (len(places[-1]) // block)
            num_odd += len(places[-1]) if level % 2 == 1 else 0

    segment = torch.tensor(segments, dtype=torch.long)
    belongs = torch.arange(spec.num_levels * num_sectors)[:, None] == segment
    even, odd = _mixing(spec)
    return Tables(
        places=torch.cat(places).to(device),
        num_odd=num_odd,
        weights=torch.cat(weights).unflatten(0, (-1, block)).mT.contiguous().to(device, dtype),
        level=segment.to(device) // num_sectors,
        segment=segment.to(device),
        members=belongs.to(device, torch.float64),
        even=even.to(device),
        odd=odd.to(device),
    )


def _num_sectors(spec: PyramidSpec) -> int:
    # Between angles at which a lobe begins or ends. In an odd number of them, that is half a sector off the row axis.
    return spec.num_orientations + spec.num_orientations % 2


def _block_length(mean_segment: int) -> int:
    return min(_LONGEST_BLOCK, max(8, 2 ** math.ceil(math.log2(max(1, mean_segment / 8)))))


def _harmonics(angle: Tensor, num_orientations: int) -> Tensor:
    """``1, cos 2 theta, ..., sin 2 theta, ...``, which span the products of two lobes, ``(*angle.shape, A)``."""
    multiples = 2 * angle[..., None] * torch.arange(1, num_orientations, dtype=torch.float64)
    return torch.cat((torch.ones_like(angle)[..., None], multiples.cos(), multiples.sin()), dim=-1)


def _mixing(spec: PyramidSpec) -> tuple[Tensor, Tensor]:
    """Products of two lobes as sums of harmonics, sector by sector: ``(S A, K K)``, even and odd part."""
    order = spec.num_orientations
    samples = math.pi / (2 * order - 1) * torch.arange(2 * order - 1, dtype=torch.float64)  # (A,), as many as unknowns
    polynomials = lobe_amplitude(order, spec.is_complex) * orientation_cosines(samples, order) ** (order - 1)  # (K, A)
    products = (polynomials[:, None] * polynomials).flatten(0, 1).T  # (A, K K)
    harmonics = torch.linalg.solve(_harmonics(samples, order), products)

    num_sectors = _num_sectors(spec)
    middles = math.pi / order * (torch.arange(num_sectors, dtype=torch.float64) + 0.5 - order % 2 / 2)
    signs = orientation_cosines(middles, order).sign().T  # (S, K)
    if spec.is_complex:
        # A frequency is in the lobes that point to it, its mirror image in all others.
        here, opposite = (_pairs((sign > 0).double()) for sign in (signs, -signs))
        even, odd = here + opposite, here - opposite
    else:
        even = 2 * _pairs(signs ** (order - 1))
        odd = torch.zeros_like(even)
    return (even[:, None] * harmonics).flatten(0, 1), (odd[:, None] * harmonics).flatten(0, 1)


def _pairs(values: Tensor) -> Tensor:
    return (values[:, :, None] * values[:, None]).flatten(1)  # (S, K K)


class TableCache:
    """Tables used of late.

    Dropped are those that the last ``max_idle`` requests did not ask for, and the least recently used ones as long as
    all together are larger than ``max_bytes``. The tables just asked for stay.

    Args:
        max_bytes: Memory for tables, on all devices together.
        max_idle: Number of requests.
    """

    def __init__(self, max_bytes: int, max_idle: int) -> None:
        self.max_bytes = max_bytes
        self.max_idle = max_idle
        self._entries: OrderedDict[Hashable, tuple[Tables, int]] = OrderedDict()  # with the request that used it last
        self._requests = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Tables]) -> Tables:
        """The tables of this key, made if they are not there."""
        with self._lock:
            self._requests += 1
            is_new = key not in self._entries
            tables = make() if is_new else self._entries.pop(key)[0]
            self._entries[key] = (tables, self._requests)
            while self._idle > self.max_idle:
                self._entries.popitem(last=False)
            # Counting bytes takes time, and at other requests they have not grown.
            while is_new and len(self._entries) > 1 and self.nbytes > self.max_bytes:
                self._entries.popitem(last=False)
            return tables

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Memory of all tables in bytes."""
        return sum(t.nbytes for tables, _ in self._entries.values() for t in tables if isinstance(t, Tensor))

    @property
    def _idle(self) -> int:
        return self._requests - next(iter(self._entries.values()))[1]


# Some 500 steps of training; a validation at the end of an epoch makes its tables anew, in a few milliseconds.
_cache = TableCache(max_bytes=2**29, max_idle=1000)


def cached_tables(
    spatial_shape: tuple[int, int], spec: PyramidSpec, dtype: torch.dtype, device: torch.device
) -> Tables:
    """The same as :func:`make_tables`, which makes them the first time only."""

    def make() -> Tables:
        with torch.inference_mode(False):  # training may follow validation
            return make_tables(spatial_shape, spec, dtype, device)

    return _cache.get((spatial_shape, spec, dtype, device), make)
