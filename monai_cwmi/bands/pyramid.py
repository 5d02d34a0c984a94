"""The steerable pyramid as images, for looking at bands and for testing what the loss computes from spectra alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from monai_cwmi.bands.filters import band_filters, fft_frequencies, residual_filters
from monai_cwmi.bands.spec import FrequencyGrid, PyramidSpec, fitting_levels, pyramid_spec, relative_spacing


class PyramidCoefficients(NamedTuple):
    """What :class:`SteerablePyramid` makes of an image ``(..., H, W)`` or ``(..., H, W, D)``.

    Attributes:
        highpass: Detail finer than level 1, of the image's size.
        bands: One tensor ``(..., K, h_n, w_n)`` or ``(..., K, h_n, w_n, d_n)`` for each level, finest first, with
            ``h_n = ceil(H / 2**(n - 1))``; complex in the complex pyramid.
        lowpass: What is coarser than the last level, on the grid of the level after it.
    """

    highpass: Tensor
    bands: list[Tensor]
    lowpass: Tensor


class SteerablePyramid(torch.nn.Module):
    r"""Decompose images or volumes into the bands that CWMI compares, and put them together again.

    Level ``n`` holds the band :math:`\mathcal{F}^{-1}[R_n(r) A_k(u) \mathcal{F} x]` of ``K`` orientations, sampled
    on a grid that is coarser by ``2**(n - 1)``. On the centred grid, a sum over a band's pixels equals the sum over its
    frequencies divided by ``H W / 4**(n - 1)`` (``H W D / 8**(n - 1)``), and the filters are a tight frame: the
    reconstruction is exact for every image size and every voxel spacing.

    Args:
        num_levels: Number of levels wanted. An image whose shorter side has no more than ``2**n`` pixels, in the finest
            spacing, has no level ``n``: it gets the levels that fit.
        num_orientations: ``K``, at least 2 in the plane (default: 4); in space 3, the image's axes, or 6 (default),
            the axes through the corners of an icosahedron.
        is_complex: Complex (analytic) or real bands.
        frequency_grid: ``"centred"``, or ``"published"`` to look at the bands of the paper's released code, whose
            frequency grid is one bin off: those bands do not add up to the image.
        spatial_dims: 2 for images ``(..., H, W)``, 3 for volumes ``(..., H, W, D)``.
        spacing: Of the samples along each of these axes, in any unit of length, for instance millimetres. A level then
            means the same size along every axis; a coarse axis keeps its samples until a level is as coarse.

    Raises:
        ValueError: When an option is out of its range.

    Example:
        >>> pyramid = SteerablePyramid(num_levels=3, num_orientations=4)
        >>> image = torch.rand(2, 1, 45, 64)
        >>> coefficients = pyramid(image)
        >>> [tuple(band.shape) for band in coefficients.bands]
        [(2, 1, 4, 45, 64), (2, 1, 4, 23, 32), (2, 1, 4, 12, 16)]
        >>> bool((pyramid.reconstruct(coefficients) - image).abs().max() < 1e-5)
        True
        >>> volumetric = SteerablePyramid(num_levels=3, spatial_dims=3, spacing=(1.0, 1.0, 3.0))
        >>> [tuple(band.shape) for band in volumetric(torch.rand(32, 32, 12)).bands]
        [(6, 32, 32, 12), (6, 16, 16, 12), (6, 8, 8, 9)]

    References:
        E. P. Simoncelli and W. T. Freeman, "The steerable pyramid: a flexible architecture for multi-scale derivative
        computation", ICIP 1995. J. Portilla and E. P. Simoncelli, "A parametric texture model based on joint statistics
        of complex wavelet coefficients", IJCV 40(1), 2000 (the complex form).
    """

    def __init__(
        self,
        num_levels: int = 4,
        num_orientations: int | None = None,
        is_complex: bool = True,
        frequency_grid: FrequencyGrid = "centred",
        spatial_dims: int = 2,
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"spatial_dims must be 2 or 3, got {spatial_dims}.")
        self.spec = pyramid_spec(
            relative_spacing(spacing, spatial_dims),
            num_levels=num_levels,
            num_orientations=num_orientations,
            is_complex=is_complex,
            frequency_grid=frequency_grid,
        )

    def forward(self, image: Tensor) -> PyramidCoefficients:
        """Decompose; the same as :meth:`decompose`."""
        return self.decompose(image)

    def decompose(self, image: Tensor) -> PyramidCoefficients:
        """Split an image into its bands and two residuals.

        Args:
            image: Real floating-point tensor ``(..., H, W)``, or ``(..., H, W, D)`` in three dimensions.

        Returns:
            The coefficients; their two residuals have no orientation.

        Raises:
            ValueError: When the image is not a real floating-point tensor of at least as many dimensions.
        """
        dims = self.spec.spatial_dims
        if image.ndim < dims or not image.is_floating_point():
            sizes = ", ".join("HWD"[:dims])
            raise ValueError(f"image must be a real (..., {sizes}) tensor, got {image.dtype} {tuple(image.shape)}.")
        return decompose(image, self.spec)

    def reconstruct(self, coefficients: PyramidCoefficients) -> Tensor:
        """Put the bands together: the inverse of :meth:`decompose` on the centred grid.

        Args:
            coefficients: What :meth:`decompose` returned, changed at will.

        Returns:
            Image ``(..., H, W)``, or volume ``(..., H, W, D)``.

        Raises:
            ValueError: When the bands are not those of a pyramid with these options.
        """
        highpass, bands, lowpass = coefficients
        dims = len(self.spec.spacing)
        shape = tuple(highpass.shape[-dims:])
        self._check_bands(shape, bands)

        spectrum = _fftn(highpass, dims) * _highpass(shape, self.spec, highpass)
        for level, band in enumerate(bands, start=1):
            size = tuple(band.shape[-dims:])
            filters = _filters(shape, size, level, self.spec, highpass)
            level_spectrum = (_fftn(band, dims) * filters).sum(-dims - 1) / _gain(shape, size, level)
            # Analytic bands hold each frequency of a real image twice as large, and half of the frequencies.
            _add_cropped(spectrum, level_spectrum / 2 if self.spec.is_complex else level_spectrum, size)
        size = tuple(lowpass.shape[-dims:])
        lowpass_spectrum = _fftn(lowpass, dims) * _lowpass(shape, len(bands), size, self.spec, highpass)
        _add_cropped(spectrum, lowpass_spectrum / _gain(shape, size, len(bands) + 1), size)
        return _ifftn(spectrum, dims).real

    def _check_bands(self, shape: tuple[int, ...], bands: list[Tensor]) -> None:
        _, num_orientations, _, _, spacing = self.spec
        expected = [
            (num_orientations, *_level_shape(shape, level, spacing))
            for level in range(1, fitting_levels(shape, self.spec.num_levels, spacing) + 1)
        ]
        found = [tuple(band.shape[-len(shape) - 1 :]) for band in bands]
        if found != expected:
            raise ValueError(f"bands of an image of {shape} must have the shapes {expected}, got {found}.")


def decompose(image: Tensor, spec: PyramidSpec) -> PyramidCoefficients:
    """The bands and residuals of images ``(..., H, W)`` or volumes ``(..., H, W, D)`` of floating point."""
    dims = spec.spatial_dims
    shape = tuple(image.shape[-dims:])
    spectrum = _fftn(image, dims)  # (..., H, W)
    levels = fitting_levels(shape, spec.num_levels, spec.spacing)
    size = _level_shape(shape, levels + 1, spec.spacing)
    lowpass = _ifftn(_crop(spectrum, size) * _lowpass(shape, levels, size, spec, image), dims).real
    return PyramidCoefficients(
        highpass=_ifftn(spectrum * _highpass(shape, spec, image), dims).real,
        bands=[_band(spectrum, level, spec) for level in range(1, levels + 1)],
        lowpass=lowpass * _gain(shape, size, levels + 1),
    )


def decompose_bands(image: Tensor, spec: PyramidSpec) -> list[Tensor]:
    """The bands alone, of images ``(..., H, W)`` or volumes ``(..., H, W, D)``: :attr:`PyramidCoefficients.bands`."""
    dims = len(spec.spacing)
    spectrum = _fftn(image, dims)
    levels = fitting_levels(image.shape[-dims:], spec.num_levels, spec.spacing)
    return [_band(spectrum, level, spec) for level in range(1, levels + 1)]


def scaled_bands(image: Tensor, spec: PyramidSpec) -> list[Tensor]:
    """Bands ``(..., K, h, w)``, the mean square of which is that of the image's part in their level."""
    dims = spec.spatial_dims
    pixels = math.prod(image.shape[-dims:])
    # An analytic band holds twice the energy of the real one. Bands are sampled on a coarser grid, and their sums of
    # squares kept the larger for it.
    energy = spec.num_orientations / (2 if spec.is_complex else 1)
    return [
        band * math.sqrt(energy * math.prod(band.shape[-dims:]) / pixels) / 2 ** (dims * level / 2)
        for level, band in enumerate(decompose_bands(image, spec))
    ]


def _level_shape(shape: Sequence[int], level: int, spacing: Sequence[float]) -> tuple[int, ...]:
    """Grid of a level: the smallest that holds its frequencies, (H, W) / 2**(n - 1) rounded up.

    An axis whose samples are farther apart than those of the level keeps them all.
    """
    step = 2 ** (level - 1)
    return tuple(min(size, math.ceil(size * s / step)) for size, s in zip(shape, spacing, strict=True))


def _band(spectrum: Tensor, level: int, spec: PyramidSpec) -> Tensor:
    """Bands ``(..., K, h, w)`` of a level from the image's spectrum ``(..., H, W)``."""
    dims = len(spec.spacing)
    shape = tuple(spectrum.shape[-dims:])
    size = _level_shape(shape, level, spec.spacing)
    cropped = _crop(spectrum, size).unsqueeze(-dims - 1)  # (..., 1, h, w)
    band = _ifftn(cropped * _filters(shape, size, level, spec, spectrum.real), dims) * _gain(shape, size, level)
    return band if spec.is_complex else band.real


def _filters(shape: tuple[int, ...], size: tuple[int, ...], level: int, spec: PyramidSpec, like: Tensor) -> Tensor:
    frequencies = tuple(fft_frequencies(n) for n in size)
    return band_filters(frequencies, shape, level, *spec[1:]).to(like)  # (K, h, w)


def _lowpass(shape: tuple[int, ...], level: int, size: tuple[int, ...], spec: PyramidSpec, like: Tensor) -> Tensor:
    return residual_filters(tuple(fft_frequencies(n) for n in size), shape, level, spec.spacing).to(like)


def _highpass(shape: tuple[int, ...], spec: PyramidSpec, like: Tensor) -> Tensor:
    below = residual_filters(tuple(fft_frequencies(n) for n in shape), shape, 0, spec.spacing)
    return (1 - below.square()).clamp_min(0).sqrt().to(like)


def _gain(shape: tuple[int, ...], size: tuple[int, ...], level: int) -> float:
    """Makes a sum over the pixels of a level the same multiple of its spectrum's, whatever its grid."""
    return math.sqrt(math.prod(size) / (math.prod(shape) / 2 ** (len(shape) * (level - 1))))


def _fftn(image: Tensor, dims: int) -> Tensor:
    return torch.fft.fftn(image, dim=tuple(range(-dims, 0)))


def _ifftn(spectrum: Tensor, dims: int) -> Tensor:
    return torch.fft.ifftn(spectrum, dim=tuple(range(-dims, 0)))


def _corners(size: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """The corners of a spectrum in FFT order that hold the lowest frequencies, as index from both ends."""
    return list(itertools.product(*(_ends(n) for n in size)))


def _ends(size: int) -> list[slice]:
    return [slice(0, (size + 1) // 2), slice(-(size // 2), None)] if size > 1 else [slice(0, 1)]


def _crop(spectrum: Tensor, size: tuple[int, ...]) -> Tensor:
    cropped = spectrum.new_zeros(*spectrum.shape[: -len(size)], *size)
    for corner in _corners(size):
        cropped[(..., *corner)] = spectrum[(..., *corner)]
    return cropped


def _add_cropped(spectrum: Tensor, cropped: Tensor, size: tuple[int, ...]) -> None:
    for corner in _corners(size):
        spectrum[(..., *corner)] += cropped[(..., *corner)]
