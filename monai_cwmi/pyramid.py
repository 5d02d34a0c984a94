"""The steerable pyramid as images, for looking at bands and for testing what the loss computes from spectra alone."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from monai_cwmi.filters import (
    FrequencyGrid,
    band_filters,
    check_pyramid_options,
    fft_frequencies,
    fitting_levels,
    residual_filters,
)


class PyramidCoefficients(NamedTuple):
    """What :class:`SteerablePyramid` makes of an image ``(..., H, W)``.

    Attributes:
        highpass: Detail finer than level 1, ``(..., H, W)``.
        bands: One tensor ``(..., K, h_n, w_n)`` for each level, finest first, with ``h_n = ceil(H / 2**(n - 1))``;
            complex in the complex pyramid.
        lowpass: What is coarser than the last level, ``(..., h, w)`` on the grid of the level after it.
    """

    highpass: Tensor
    bands: list[Tensor]
    lowpass: Tensor


class SteerablePyramid(torch.nn.Module):
    r"""Decompose images into the bands that CWMI compares, and put them together again.

    Level ``n`` holds the band :math:`\mathcal{F}^{-1}[R_n(r) A_k(\theta) \mathcal{F} x]` of ``K`` orientations, sampled
    on a grid that is coarser by ``2**(n - 1)``. On the centred grid, a sum over a band's pixels equals the sum over its
    frequencies divided by ``H W / 4**(n - 1)``, and the filters are a tight frame: the reconstruction is exact for
    every image size.

    Args:
        num_levels: Number of levels wanted. An image whose shorter side has no more than ``2**n`` pixels has no level
            ``n``: it gets the levels that fit.
        num_orientations: ``K``, at least 2.
        is_complex: Complex (analytic) or real bands.
        frequency_grid: ``"centred"``, or ``"published"`` to look at the bands of the paper's released code, whose
            frequency grid is one bin off: those bands do not add up to the image.

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

    References:
        E. P. Simoncelli and W. T. Freeman, "The steerable pyramid: a flexible architecture for multi-scale derivative
        computation", ICIP 1995. J. Portilla and E. P. Simoncelli, "A parametric texture model based on joint statistics
        of complex wavelet coefficients", IJCV 40(1), 2000 (the complex form).
    """

    def __init__(
        self,
        num_levels: int = 4,
        num_orientations: int = 4,
        is_complex: bool = True,
        frequency_grid: FrequencyGrid = "centred",
    ) -> None:
        super().__init__()
        check_pyramid_options(num_levels, num_orientations, frequency_grid)
        self.num_levels = num_levels
        self.num_orientations = num_orientations
        self.is_complex = is_complex
        self.frequency_grid: FrequencyGrid = frequency_grid

    def forward(self, image: Tensor) -> PyramidCoefficients:
        """Decompose; the same as :meth:`decompose`."""
        return self.decompose(image)

    def decompose(self, image: Tensor) -> PyramidCoefficients:
        """Split an image into its bands and two residuals.

        Args:
            image: Real floating-point tensor ``(..., H, W)``.

        Returns:
            The coefficients; their two residuals have no orientation.

        Raises:
            ValueError: When the image is not a real floating-point tensor of at least two dimensions.
        """
        if image.ndim < 2 or not image.is_floating_point():
            raise ValueError(f"image must be a real (..., H, W) tensor, got {image.dtype} {tuple(image.shape)}.")
        shape = (image.shape[-2], image.shape[-1])
        spectrum = torch.fft.fft2(image)  # (..., H, W)
        levels = fitting_levels(shape, self.num_levels)

        bands = []
        for level in range(1, levels + 1):
            size = _level_shape(shape, level)
            cropped = _crop(spectrum, size).unsqueeze(-3)  # (..., 1, h, w)
            band = torch.fft.ifft2(cropped * self._band_filters(shape, level, image)) * _gain(shape, level)
            bands.append(band if self.is_complex else band.real)  # (..., K, h, w)

        size = _level_shape(shape, levels + 1)
        lowpass = torch.fft.ifft2(_crop(spectrum, size) * self._lowpass(shape, levels, size, image)).real
        return PyramidCoefficients(
            highpass=torch.fft.ifft2(spectrum * self._highpass(shape, image)).real,
            bands=bands,
            lowpass=lowpass * _gain(shape, levels + 1),
        )

    def reconstruct(self, coefficients: PyramidCoefficients) -> Tensor:
        """Put the bands together: the inverse of :meth:`decompose` on the centred grid.

        Args:
            coefficients: What :meth:`decompose` returned, changed at will.

        Returns:
            Image ``(..., H, W)``.

        Raises:
            ValueError: When the bands are not those of a pyramid with these options.
        """
        highpass, bands, lowpass = coefficients
        shape = (highpass.shape[-2], highpass.shape[-1])
        self._check_bands(shape, bands)

        spectrum = torch.fft.fft2(highpass) * self._highpass(shape, highpass)
        for level, band in enumerate(bands, start=1):
            filters = self._band_filters(shape, level, highpass)
            level_spectrum = (torch.fft.fft2(band) * filters).sum(-3) / _gain(shape, level)
            # Analytic bands hold each frequency of a real image twice as large, and half of the frequencies.
            _add_cropped(spectrum, level_spectrum / 2 if self.is_complex else level_spectrum)
        size = (lowpass.shape[-2], lowpass.shape[-1])
        lowpass_spectrum = torch.fft.fft2(lowpass) * self._lowpass(shape, len(bands), size, highpass)
        _add_cropped(spectrum, lowpass_spectrum / _gain(shape, len(bands) + 1))
        return torch.fft.ifft2(spectrum).real

    def _check_bands(self, shape: tuple[int, int], bands: list[Tensor]) -> None:
        expected = [
            (self.num_orientations, *_level_shape(shape, level))
            for level in range(1, fitting_levels(shape, self.num_levels) + 1)
        ]
        found = [tuple(band.shape[-3:]) for band in bands]
        if found != expected:
            raise ValueError(f"bands of an image of {shape} must have the shapes {expected}, got {found}.")

    def _band_filters(self, shape: tuple[int, int], level: int, like: Tensor) -> Tensor:
        rows, columns = _level_shape(shape, level)
        filters = band_filters(
            (fft_frequencies(rows), fft_frequencies(columns)),
            shape,
            level,
            self.num_orientations,
            self.is_complex,
            self.frequency_grid,
        )
        return filters.to(like)  # (K, h, w)

    @staticmethod
    def _lowpass(shape: tuple[int, int], level: int, size: tuple[int, int], like: Tensor) -> Tensor:
        return residual_filters((fft_frequencies(size[0]), fft_frequencies(size[1])), shape, level).to(like)

    @staticmethod
    def _highpass(shape: tuple[int, int], like: Tensor) -> Tensor:
        below = residual_filters((fft_frequencies(shape[0]), fft_frequencies(shape[1])), shape, level=0)
        return (1 - below.square()).clamp_min(0).sqrt().to(like)


def _level_shape(shape: tuple[int, int], level: int) -> tuple[int, int]:
    """Grid of a level: the smallest that holds its frequencies, (H, W) / 2**(n - 1) rounded up."""
    step = 2 ** (level - 1)
    return -(-shape[0] // step), -(-shape[1] // step)


def _gain(shape: tuple[int, int], level: int) -> float:
    """Makes a sum over the pixels of an odd-sized level the same multiple of its spectrum's as on an even one."""
    rows, columns = _level_shape(shape, level)
    return math.sqrt(rows * columns / (shape[0] * shape[1] / 4 ** (level - 1)))


def _blocks(size: tuple[int, int]) -> list[tuple[slice, slice]]:
    """The four corners of a spectrum in FFT order that hold the lowest frequencies, as index from both ends."""
    rows, columns = ([slice(0, (n + 1) // 2), *([slice(-(n // 2), None)] if n > 1 else [])] for n in size)
    return [(r, c) for r in rows for c in columns]


def _crop(spectrum: Tensor, size: tuple[int, int]) -> Tensor:
    cropped = spectrum.new_zeros(*spectrum.shape[:-2], *size)
    for rows, columns in _blocks(size):
        cropped[..., rows, columns] = spectrum[..., rows, columns]
    return cropped


def _add_cropped(spectrum: Tensor, cropped: Tensor) -> None:
    for rows, columns in _blocks((cropped.shape[-2], cropped.shape[-1])):
        spectrum[..., rows, columns] += cropped[..., rows, columns]
