"""The wavelet: radial windows, orientation lobes and frequency grids of the steerable pyramid.

Pure functions of integer frequencies, evaluated in float64. An image of ``H x W`` pixels has the angular frequency
``w = 2 pi (q_row / H, q_col / W)`` at the integer frequency ``q``, of radius ``r`` and of angle ``theta`` from the row
axis. Orientation ``k = 0..K-1`` points to ``pi k / K``. Level ``n = 1..N`` is centred on ``pi / 2**n`` and
reaches one octave to either side. The formulas are derived in ``docs/mathematics.md``, section 'The filters'.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

FrequencyGrid = Literal["centred", "published"]


class PyramidSpec(NamedTuple):
    """Options of a steerable pyramid: all that its filters depend on besides the size of the image."""

    num_levels: int
    num_orientations: int
    is_complex: bool
    frequency_grid: FrequencyGrid


def check_pyramid_options(num_levels: int, num_orientations: int, frequency_grid: str) -> None:
    """Raise a ``ValueError`` that names the option of a pyramid which makes no sense."""
    if num_levels < 1:
        raise ValueError(f"num_levels must be at least 1, got {num_levels}.")
    if num_orientations < 2:
        raise ValueError(f"num_orientations must be at least 2, got {num_orientations}.")
    if frequency_grid not in get_args(FrequencyGrid):
        raise ValueError(f"frequency_grid must be one of {get_args(FrequencyGrid)}, got {frequency_grid!r}.")


def fitting_levels(spatial_shape: Sequence[int], num_levels: int) -> int:
    """Number of levels, out of those wanted, that an image has room for.

    Level ``n`` passes frequencies between ``pi / 2**(n + 1)`` and ``pi / 2**(n - 1)``. The lowest frequency of an axis
    with ``S`` samples is ``2 pi / S``, so the band holds a frequency of every axis if, and only if, ``S > 2**n``.

    Args:
        spatial_shape: Image size in pixels, one entry for each axis.
        num_levels: Number of levels wanted.

    Returns:
        The largest ``n <= num_levels`` with ``min(spatial_shape) > 2**n``, which is 0 below three pixels.

    Example:
        >>> fitting_levels((8, 300), 4), fitting_levels((17, 17), 4)
        (2, 4)
    """
    return sum(min(spatial_shape) > 2**level for level in range(1, num_levels + 1))


def fft_frequencies(size: int) -> Tensor:
    """Integer frequencies of a discrete Fourier transform, in its own order: ``0, 1, ..., -2, -1``."""
    return torch.fft.fftfreq(size, 1 / size, dtype=torch.float64).round()


def mirrored(frequencies: Tensor, size: int) -> Tensor:
    """The frequencies ``-q`` as the grid of ``size`` samples knows them: Nyquist's is its own mirror image."""
    return torch.where(2 * frequencies.abs() == size, frequencies, -frequencies)


def band_filters(
    frequencies: tuple[Tensor, Tensor],
    spatial_shape: tuple[int, int],
    level: int,
    num_orientations: int,
    is_complex: bool = True,
    frequency_grid: str = "centred",
) -> Tensor:
    r"""Filters :math:`R_n(r) A_k(\theta)` of all orientations at one level.

    Args:
        frequencies: Integer frequencies along rows ``(h,)`` and columns ``(w,)``; the grid is their product.
        spatial_shape: Size ``(H, W)`` of the image whose frequencies they are, in pixels.
        level: ``n``, from 1 (finest).
        num_orientations: ``K``.
        is_complex: Analytic filters that pass a half plane each (CWMI) or symmetric real ones (CWMI-Real).
        frequency_grid: ``"centred"``, or ``"published"`` for the grid of the paper's released code, whose zero lies one
            bin before that of the spectrum.

    Returns:
        Float64 tensor ``(K, h, w)``; zero at frequency 0.

    Example:
        >>> rows = columns = fft_frequencies(16)
        >>> band_filters((rows, columns), (16, 16), level=1, num_orientations=4).shape
        torch.Size([4, 16, 16])
    """
    if frequency_grid == "centred":
        return _lobes(frequencies, spatial_shape, level, num_orientations, is_complex)
    filters = _lobes(tuple(q + 1 for q in frequencies), spatial_shape, level, num_orientations, is_complex)
    if not is_complex:
        # The published real pyramid keeps the real part of a band; that makes its off-centre filter symmetric.
        opposite = tuple(mirrored(q, size) + 1 for q, size in zip(frequencies, spatial_shape, strict=True))
        filters = (filters + _lobes(opposite, spatial_shape, level, num_orientations, is_complex)) / 2
    rows, columns = frequencies
    filters[:, (rows == 0)[:, None] & (columns == 0)] = 0.0  # an image's mean is not part of any band
    return filters


def residual_filters(frequencies: tuple[Tensor, Tensor], spatial_shape: tuple[int, int], level: int) -> Tensor:
    """Low-pass filter of what lies below a level; level 0 gives the complement of the high-pass residual.

    ``lowpass_0**2`` is ``1 - highpass**2``, and ``lowpass_{n-1}**2 - lowpass_n**2`` is the squared radial window of
    level ``n``.

    Args:
        frequencies: Integer frequencies along rows ``(h,)`` and columns ``(w,)``.
        spatial_shape: Size ``(H, W)`` of the image, in pixels.
        level: ``n``, from 0.

    Returns:
        Float64 tensor ``(h, w)``.
    """
    radius, _ = polar(frequencies, spatial_shape)
    octaves = torch.log2(2 * radius / _centre(level))  # 0 at the centre of the next level, 1 at this level's
    return torch.cos(math.pi / 2 * octaves.clamp(0, 1))


def polar(frequencies: tuple[Tensor, ...], spatial_shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Radius ``r`` and angle ``theta`` from the row axis, in radians, of each angular frequency ``(h, w)``."""
    rows, columns = (2 * math.pi * q / size for q, size in zip(frequencies, spatial_shape, strict=True))
    return torch.hypot(rows[:, None], columns), torch.atan2(*torch.broadcast_tensors(columns, rows[:, None]))


def radial_window(radius: Tensor, level: int) -> Tensor:
    """Window ``R_n(r)`` of a level; zero unless within an octave of its centre."""
    octaves = torch.log2(radius / _centre(level))
    return torch.where(octaves.abs() < 1, torch.cos(math.pi / 2 * octaves), 0.0)


def orientation_cosines(angle: Tensor, num_orientations: int) -> Tensor:
    """Cosine of the angle to each orientation, ``(K, *angle.shape)``."""
    directions = math.pi / num_orientations * torch.arange(num_orientations, dtype=torch.float64)
    return torch.cos(angle - directions.reshape(-1, *[1] * angle.ndim))


def lobe_amplitude(num_orientations: int, is_complex: bool) -> float:
    """Factor of the lobes; chosen such that the squared lobes of the real pyramid sum to one."""
    order = num_orientations - 1
    amplitude = 2**order * math.factorial(order) / math.sqrt(num_orientations * math.factorial(2 * order))
    return 2 * amplitude if is_complex else amplitude


def _centre(level: int) -> float:
    return math.pi / 2**level


def _lobes(
    frequencies: tuple[Tensor, ...], spatial_shape: tuple[int, int], level: int, num_orientations: int, is_complex: bool
) -> Tensor:
    radius, angle = polar(frequencies, spatial_shape)  # (h, w)
    cosine = orientation_cosines(angle, num_orientations)  # (K, h, w)
    angular = (cosine.clamp_min(0) if is_complex else cosine.abs()) ** (num_orientations - 1)
    return radial_window(radius, level) * lobe_amplitude(num_orientations, is_complex) * angular
