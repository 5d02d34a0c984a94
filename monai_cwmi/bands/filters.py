"""The wavelet: radial windows, orientation lobes and frequency grids of the steerable pyramid, in two and three axes.

Pure functions of integer frequencies, evaluated in float64. An image of ``S_1 x S_2 [x S_3]`` samples has the angular
frequency ``w = 2 pi (q_1 / S_1, q_2 / S_2, ...)`` at the integer frequency ``q``, of radius ``r = |w|`` and of
direction ``u = w / r``. Where voxels are not cubes, each axis's frequency is divided by its spacing in units of the
finest. Level ``n = 1..N`` is centred on ``pi / 2**n`` and reaches one octave to either side. The formulas are derived
in ``docs/explanation/mathematics.md``, sections 'The filters' and 'Volumes'.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_cwmi.bands.spec import ORDER_IN_SPACE


def fft_frequencies(size: int) -> Tensor:
    """Integer frequencies of a discrete Fourier transform, in its own order: ``0, 1, ..., -2, -1``."""
    return torch.fft.fftfreq(size, 1 / size, dtype=torch.float64).round()


def mirrored(frequencies: Tensor, size: int) -> Tensor:
    """The frequencies ``-q`` as the grid of ``size`` samples knows them: Nyquist's is its own mirror image."""
    return torch.where(2 * frequencies.abs() == size, frequencies, -frequencies)


def band_filters(
    frequencies: tuple[Tensor, ...],
    spatial_shape: tuple[int, ...],
    level: int,
    num_orientations: int,
    is_complex: bool = True,
    frequency_grid: str = "centred",
    spacing: tuple[float, ...] | None = None,
) -> Tensor:
    r"""Filters :math:`R_n(r) A_k(u)` of all orientations at one level.

    Args:
        frequencies: Integer frequencies along each axis, ``(h,)``, ``(w,)`` and, in three dimensions, ``(d,)``; the
            grid is their product.
        spatial_shape: Size ``(H, W)`` or ``(H, W, D)`` of the image whose frequencies they are, in pixels.
        level: ``n``, from 1 (finest).
        num_orientations: ``K``; 3 or 6 in three dimensions.
        is_complex: Analytic filters that pass half of all directions each (CWMI) or symmetric real ones (CWMI-Real).
        frequency_grid: ``"centred"``, or ``"published"`` for the grid of the paper's released code, whose zero lies one
            bin before that of the spectrum; in two dimensions only.
        spacing: Relative spacing of each axis's samples.

    Returns:
        Float64 tensor ``(K, h, w)`` or ``(K, h, w, d)``; zero at frequency 0, and where an axis's frequency is
        Nyquist's, which has no direction.

    Example:
        >>> rows = columns = fft_frequencies(16)
        >>> band_filters((rows, columns), (16, 16), level=1, num_orientations=4).shape
        torch.Size([4, 16, 16])
    """

    def lobes(shift: tuple[Tensor, ...]) -> Tensor:
        radius, direction = polar(angular_frequencies(shift, spatial_shape, spacing))
        cosines = orientation_cosines(direction, num_orientations).movedim(-1, 0)  # (K, h, w)
        angular = (cosines.clamp_min(0) if is_complex else cosines.abs()) ** lobe_order(num_orientations, len(shift))
        amplitude = lobe_amplitude(num_orientations, len(shift), is_complex)
        return radial_window(radius, level) * amplitude * angular

    if frequency_grid == "centred":
        return lobes(frequencies).masked_fill(at_nyquist(frequencies, spatial_shape), 0.0)
    filters = lobes(tuple(q + 1 for q in frequencies))
    if not is_complex:
        # The published real pyramid keeps the real part of a band; that makes its off-centre filter symmetric.
        filters = (
            filters + lobes(tuple(mirrored(q, size) + 1 for q, size in zip(frequencies, spatial_shape, strict=True)))
        ) / 2
    rows, columns = frequencies
    filters[:, (rows == 0)[:, None] & (columns == 0)] = 0.0  # an image's mean is not part of any band
    return filters


def residual_filters(
    frequencies: tuple[Tensor, ...],
    spatial_shape: tuple[int, ...],
    level: int,
    spacing: tuple[float, ...] | None = None,
) -> Tensor:
    """Low-pass filter of what lies below a level; level 0 gives the complement of the high-pass residual.

    ``lowpass_0**2`` is ``1 - highpass**2``, and ``lowpass_{n-1}**2 - lowpass_n**2`` is the squared radial window of
    level ``n``. Frequencies of Nyquist belong to the high-pass residual, wherever an axis's spacing puts them.

    Args:
        frequencies: Integer frequencies along each axis, as in :func:`band_filters`.
        spatial_shape: Size of the image, in pixels.
        level: ``n``, from 0.
        spacing: Relative spacing of each axis's samples.

    Returns:
        Float64 tensor ``(h, w)`` or ``(h, w, d)``.
    """
    radius, _ = polar(angular_frequencies(frequencies, spatial_shape, spacing))
    octaves = torch.log2(2 * radius / _centre(level))  # 0 at the centre of the next level, 1 at this level's
    return torch.cos(math.pi / 2 * octaves.clamp(0, 1)).masked_fill(at_nyquist(frequencies, spatial_shape), 0.0)


def angular_frequencies(
    frequencies: tuple[Tensor, ...], spatial_shape: tuple[int, ...], spacing: tuple[float, ...] | None = None
) -> Tensor:
    """Angular frequency of each integer one, in radians per finest sample, ``(h, w, 2)`` or ``(h, w, d, 3)``."""
    steps = spacing or (1.0,) * len(spatial_shape)
    axes = [2 * math.pi * q / (size * s) for q, size, s in zip(frequencies, spatial_shape, steps, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def polar(angular_frequency: Tensor) -> tuple[Tensor, Tensor]:
    """Radius ``(...)`` and direction ``(..., 2 or 3)`` of angular frequencies ``(..., 2 or 3)``; 0 has direction 0."""
    radius = torch.linalg.vector_norm(angular_frequency, dim=-1)
    return radius, angular_frequency / torch.where(radius > 0, radius, 1.0)[..., None]


def at_nyquist(frequencies: tuple[Tensor, ...], spatial_shape: tuple[int, ...]) -> Tensor:
    """Where any axis's frequency is Nyquist's, ``(h, w)`` or ``(h, w, d)``."""
    axes = [2 * q.abs() == size for q, size in zip(frequencies, spatial_shape, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).any(0)


def radial_window(radius: Tensor, level: int) -> Tensor:
    """Window ``R_n(r)`` of a level; zero unless within an octave of its centre."""
    octaves = torch.log2(radius / _centre(level))
    return torch.where(octaves.abs() < 1, torch.cos(math.pi / 2 * octaves), 0.0)


def orientation_axes(num_orientations: int, spatial_dims: int) -> Tensor:
    """Unit vectors that the lobes point to, ``(K, spatial_dims)``.

    In the plane these are ``K`` directions that divide half a turn evenly, from the first axis on. In space they are
    the three axes of the image, or the six axes through the corners of an icosahedron.
    """
    if spatial_dims == 2:
        angles = math.pi / num_orientations * torch.arange(num_orientations, dtype=torch.float64)
        return torch.stack((angles.cos(), angles.sin()), dim=-1)
    if num_orientations == 3:
        return torch.eye(3, dtype=torch.float64)
    golden = (1 + math.sqrt(5)) / 2
    corner = torch.tensor([[0.0, 1.0, golden], [0.0, 1.0, -golden]], dtype=torch.float64)
    return torch.cat([corner.roll(shift, dims=1) for shift in range(3)]) / math.hypot(1, golden)


def orientation_cosines(direction: Tensor, num_orientations: int) -> Tensor:
    """Cosine of the angle from each direction ``(..., 2 or 3)`` to each orientation, ``(..., K)``."""
    return direction @ orientation_axes(num_orientations, direction.shape[-1]).mT


def lobe_order(num_orientations: int, spatial_dims: int) -> int:
    """Power of the cosine in a lobe; one with which the squared lobes of the real pyramid sum to a constant."""
    return num_orientations - 1 if spatial_dims == 2 else ORDER_IN_SPACE[num_orientations]


def lobe_amplitude(num_orientations: int, spatial_dims: int, is_complex: bool) -> float:
    """Factor of the lobes; chosen such that the squared lobes of the real pyramid sum to one."""
    order = lobe_order(num_orientations, spatial_dims)
    # Mean of the squared power of the cosine over the circle, or over the sphere.
    mean = math.comb(2 * order, order) / 4**order if spatial_dims == 2 else 1 / (2 * order + 1)
    return (2 if is_complex else 1) / math.sqrt(num_orientations * mean)


def _centre(level: int) -> float:
    return math.pi / 2**level
