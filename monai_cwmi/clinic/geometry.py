"""Where voxels lie: affines in the sense of NIfTI (RAS, mm) and grids in the sense of ITK (LPS, mm)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from monai.utils import optional_import

from monai_cwmi.clinic.problems import DefectError

if TYPE_CHECKING:
    from SimpleITK import Image

sitk, _ = optional_import("SimpleITK")

LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # and the other way round
SHEAR_TOLERANCE = 1e-4  # cosine between two axes; up to it, headers are rounded
STRAIGHTENING = 0.1  # of a voxel: how far a sheared grid may be moved


def is_length(value: float) -> bool:
    """Tell whether a number can be the size of a voxel."""
    return bool(np.isfinite(value) and value > 0)


def affine_of(image: Image) -> np.ndarray:
    """Return the affine of an image of SimpleITK."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return LPS_OF_RAS @ affine


def set_affine(image: Image, affine: np.ndarray) -> None:
    """Put an image of SimpleITK where an affine says."""
    grid = LPS_OF_RAS @ affine
    spacing = np.linalg.norm(grid[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((grid[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(grid[:3, 3].tolist())


def make_image(array: np.ndarray, affine: np.ndarray) -> Image:
    """Make an image of SimpleITK of an array of shape (X, Y, Z)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    set_affine(image, affine)
    return image


def largest_shift(affine: np.ndarray, other: np.ndarray, shape: Sequence[int]) -> tuple[float, float]:
    """Return how far apart two affines place a voxel at most, in mm and in sizes of a voxel."""
    corners = np.asarray([(*corner, 1) for corner in product(*((-0.5, size - 0.5) for size in shape[:3]))])
    shift = np.linalg.norm((corners @ (affine - other).T)[:, :3], axis=1).max()
    return float(shift), float(shift / np.linalg.norm(affine[:3, :3], axis=0).min())


def straightened(affine: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    """Return an affine whose axes are at right angles, and remarks on what was done to it.

    Neither SimpleITK's grids nor the qform of NIfTI hold a sheared grid, and both drop the shear without a word.

    Raises:
        DefectError: When the affine makes no sense, or straightening it moves a voxel too far.
    """
    if not np.isfinite(affine).all():
        raise DefectError("the place or size of its voxels is not a number: correct its header")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not spacing.all() or abs(np.linalg.det(affine[:3, :3] / spacing)) < SHEAR_TOLERANCE:
        raise DefectError("its axes span no volume (a size of 0, or two axes along one line): correct its header")
    cosines = affine[:3, :3] / spacing
    shear = abs(cosines.T @ cosines - np.eye(3)).max()
    if shear <= SHEAR_TOLERANCE:
        return affine, []
    left, _, right = np.linalg.svd(cosines)  # the nearest axes at right angles
    straight = affine.copy()
    straight[:3, :3] = (left @ right) * spacing
    centre = np.asarray([*(np.asarray(shape[:3]) - 1) / 2, 1])
    straight[:3, 3] += ((affine - straight) @ centre)[:3]
    shift, voxels = largest_shift(affine, straight, shape)
    angle = np.degrees(np.arcsin(min(shear, 1.0)))
    message = f"its axes are not at right angles: sheared by {angle:.2g} degrees"
    if voxels > STRAIGHTENING:
        raise DefectError(f"{message}, up to {shift:.2g} mm: resample it to a straight grid")
    return straight, [f"{message}; they were straightened, which moves no voxel by more than {shift:.2g} mm"]
