"""Pictures as a viewer shows them, whatever their mode."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from monai.data import ImageReader
from monai.utils import ensure_tuple, optional_import

Image, _ = optional_import("PIL.Image")
ImageOps, _ = optional_import("PIL.ImageOps")

SMALLEST = 16  # pixels along a side; of less, padding makes more than the picture itself
_COUNTS = (None, 1, 3)  # of channels
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N")
_GREY = ("1", "L", "LA")
_ONE_FRAME = ("MPO",)  # JPEG files of cameras, with previews behind the picture


class PictureReader(ImageReader):
    """Reads pictures for MONAI's ``LoadImage`` as a viewer shows them: PNG, JPEG, BMP, TIFF and what else Pillow knows.

    The orientation in EXIF metadata is applied. Values are from 0 to 255; those of 16 bits are divided by 257 and keep
    their fractions. Those of 32 bits, whose range nobody knows, stay as they are. Transparency is left out. Arrays have
    the horizontal axis first, as those of MONAI's ``PILReader``, and colours last.

    Args:
        channels: 1 reads every picture as grey and 3 every one as red, green and blue. Default: the stored values, as
            of a label: of a palette the indices, of colours all channels.

    Raises:
        ValueError: When ``channels`` is another number; when a file cannot be read, holds several pictures or values
            that are no numbers; with ``channels``, when a side is shorter than 16 pixels; when the pictures that are
            the channels of one image differ in size, or are not as many as ``channels=3`` needs. The message names the
            file.

    Example::

        LoadImaged(keys="image", reader="monai_cwmi.data.PictureReader", channels=3)
    """

    def __init__(self, channels: int | None = None) -> None:
        super().__init__()
        if channels not in _COUNTS:
            raise ValueError(f"channels must be 1, 3 or None, got {channels!r}.")
        self.channels = channels

    def verify_suffix(self, filename: Sequence[str | os.PathLike[str]] | str | os.PathLike[str]) -> bool:
        """Say that any file may be one: what it holds tells."""
        return True

    def read(self, data: Sequence[str | os.PathLike[str]] | str | os.PathLike[str], **_: Any) -> tuple[Any, ...]:
        """Take note of the files."""
        # When this method raises, LoadImage tries its other readers, which see less. It does not so for get_data.
        return ensure_tuple(data)

    def get_data(self, img: Sequence[str | os.PathLike[str]]) -> tuple[np.ndarray, dict[str, Any]]:
        """Read the pixels of a picture; of several, each is a channel of one image."""
        joined = len(img) > 1
        if joined and self.channels == 3 and len(img) != 3:
            raise ValueError(f"{img[0]} is one of {len(img)} channels of an image, but its three colours are needed.")
        arrays = [load_picture(path, 1 if joined and self.channels else self.channels) for path in img]
        for path, array in zip(img, arrays, strict=True):
            _check_size(path, array, img[0], arrays[0], SMALLEST if self.channels else 1)
        columns_first = [array.swapaxes(0, 1) for array in arrays]
        shape = columns_first[0].shape
        meta = {
            "spatial_shape": np.asarray(shape[:2]),
            "original_channel_dim": 0 if joined else float("nan") if len(shape) == 2 else -1,
        }
        return np.stack(columns_first) if joined else columns_first[0], meta


def load_picture(path: str | os.PathLike[str], channels: int | None = None) -> np.ndarray:
    """Read the pixels of a picture.

    Args:
        path: the file.
        channels: as in :class:`PictureReader`.

    Returns:
        Grey values (H, W) or colours (H, W, 3) in float32; without ``channels`` what is stored, (H, W) or (H, W, C).

    Raises:
        ValueError: As in :class:`PictureReader`, but for the size.

    Example::

        load_picture("cells.png", channels=1)
    """
    try:
        with Image.open(path) as picture:
            frames = 1 if picture.format in _ONE_FRAME else getattr(picture, "n_frames", 1)
            upright = ImageOps.exif_transpose(picture)
            array = np.asarray(upright) if channels is None else _as_shown(upright, picture.format, channels)
    # Pillow's TIFF reader raises a SyntaxError for some files that end too early.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} cannot be read as an image: {error}. Save it again, as PNG of 8 or 16 bits."
        ) from error
    if frames > 1:
        raise ValueError(f"{path} holds {frames} pictures. Save each in a file of its own.")
    if not np.isfinite(array).all():
        raise ValueError(f"{path} holds values that are no numbers (NaN) or infinite. Replace them.")
    return array


def _as_shown(picture: Any, kind: str | None, channels: int) -> np.ndarray:
    """Grey (H, W) or colours (H, W, 3) in float32."""
    if picture.mode in _DEEP or (picture.mode == "I" and kind in ("PNG", "PPM")):  # "I" by versions of Pillow
        grey = np.asarray(picture, np.float32) / 257
    elif picture.mode in ("I", "F"):
        grey = np.asarray(picture, np.float32)
    elif picture.mode in _GREY:
        grey = np.asarray(picture.convert("L"), np.float32)
    else:
        colours = picture.convert("RGB")
        return np.asarray(colours if channels == 3 else colours.convert("F"), np.float32)
    return np.stack([grey] * 3, -1) if channels == 3 else grey


def _check_size(path: object, array: np.ndarray, first_path: object, first: np.ndarray, smallest: int) -> None:
    size, first_size = (f"{each.shape[1]} x {each.shape[0]} pixels" for each in (array, first))
    if size != first_size:
        raise ValueError(f"{path} has {size} and {first_path}, another channel of the same image, {first_size}.")
    if min(array.shape[:2]) < smallest:
        raise ValueError(
            f"{path} has {size}, but {smallest} are needed along each side. Leave it out, or make it of a larger one."
        )
