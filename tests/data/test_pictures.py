from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from monai.transforms import LoadImaged
from PIL import Image

from monai_cwmi.data import PictureReader
from monai_cwmi.data.pictures import load_picture

# What is stored when a viewer shows an array, by the orientations of the EXIF standard.
STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda shown: shown,
    2: np.fliplr,
    3: lambda shown: np.rot90(shown, 2),
    4: np.flipud,
    5: lambda shown: shown.swapaxes(0, 1),
    6: lambda shown: np.rot90(shown, 1),
    7: lambda shown: np.rot90(shown, 2).swapaxes(0, 1),
    8: lambda shown: np.rot90(shown, -1),
}
GREY = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) % 251
COLOUR = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    Image.fromarray(np.ascontiguousarray(array)).save(path, **options)
    return path


def load(path: Path | list[Path], channels: int | None = None) -> Any:
    return LoadImaged("image", reader="monai_cwmi.data.PictureReader", channels=channels)({"image": path})["image"]


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("shown", [GREY.astype(np.uint8), GREY, COLOUR, GREY > 100], ids=["8", "16", "colour", "1"])
@pytest.mark.parametrize("channels", [1, 3, None])
def test_the_orientation_is_applied(shown: np.ndarray, orientation: int, channels: int | None, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "plain.png", shown)
    save(tmp_path / "turned.png", STORED[orientation](shown), exif=exif)
    turned, plain = (load(tmp_path / f"{name}.png", channels) for name in ("turned", "plain"))
    assert turned.shape[:2] == (30, 20)  # columns first
    np.testing.assert_array_equal(turned, plain)
    assert turned.meta["spatial_shape"].tolist() == [30, 20]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_keep_their_fractions(suffix: str, channels: int, tmp_path: Path) -> None:
    deep = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    path = tmp_path / f"deep.{suffix}"
    save(path, deep) if suffix == "png" else tifffile.imwrite(path, deep, byteorder=">")
    array = load_picture(path, channels)
    assert array.dtype == np.float32
    assert array.shape == ((256, 256, 3) if channels == 3 else (256, 256))
    grey = array[..., 0] if channels == 3 else array
    np.testing.assert_allclose(grey, deep * (255 / 65535), atol=1e-4)
    assert len(np.unique(grey)) == 2**16
    # The same picture in 8 bits has the same values.
    assert (grey[deep % 257 == 0] == np.arange(256)).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P"])
def test_colours(mode: str, tmp_path: Path) -> None:
    picture = Image.fromarray(COLOUR).convert(mode)
    path = tmp_path / f"a.{'tif' if mode == 'CMYK' else 'png'}"
    picture.save(path)
    # A palette holds fewer colours.
    shown = np.reshape(picture.getpalette() or [], (-1, 3))[np.asarray(picture)] if mode == "P" else COLOUR
    np.testing.assert_array_equal(load_picture(path, 3), shown)
    np.testing.assert_allclose(load_picture(path, 1), shown @ [0.299, 0.587, 0.114], atol=1e-3 if mode != "P" else 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey(mode: str, channels: int, tmp_path: Path) -> None:
    grey = (GREY > 100).astype(np.uint8) * np.uint8(255)
    Image.fromarray(grey).convert(mode).save(tmp_path / "a.png")
    expected = np.repeat(grey[..., None], 3, -1) if channels == 3 else grey
    np.testing.assert_array_equal(load_picture(tmp_path / "a.png", channels), expected)


@pytest.mark.parametrize("array", [GREY.astype(np.int32) * 1000 - 7, GREY.astype(np.float32) / 3])
def test_32_bits_stay_as_they_are(array: np.ndarray, tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", array)
    np.testing.assert_array_equal(load_picture(path, 1), array)
    np.testing.assert_array_equal(load_picture(path, 3)[..., 2], array)


def test_stored_values(tmp_path: Path) -> None:
    indices = (GREY % 3).astype(np.uint8)
    picture = Image.fromarray(indices)
    picture.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 0])
    picture.save(tmp_path / "palette.png")
    save(tmp_path / "bit.png", indices > 0)
    np.testing.assert_array_equal(load(tmp_path / "palette.png"), indices.T)
    np.testing.assert_array_equal(load(tmp_path / "bit.png"), (indices > 0).T)
    assert load(save(tmp_path / "colour.png", COLOUR)).shape == (30, 20, 3)


def test_a_camera_stores_previews_behind_a_picture(tmp_path: Path) -> None:
    preview = Image.fromarray(COLOUR[::2, ::2])
    save(tmp_path / "a.jpg", COLOUR, format="MPO", save_all=True, append_images=[preview])
    assert Image.open(tmp_path / "a.jpg").format == "MPO"
    assert load_picture(tmp_path / "a.jpg", 3).shape == (20, 30, 3)


def test_channels_in_files_of_their_own(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"a_{index:04d}.png", COLOUR[..., index]) for index in range(3)]
    for channels in (1, 3, None):
        stacked = load(paths, channels)
        np.testing.assert_array_equal(stacked, COLOUR.T)
        assert stacked.meta["original_channel_dim"] == 0
    with pytest.raises(ValueError, match=r"a_0000\.png is one of 2 channels of an image, but its three colours"):
        load(paths[:2], 3)
    save(paths[1], COLOUR[:-1, :, 1])
    with pytest.raises(ValueError, match=r"a_0001\.png has 30 x 19 pixels and \S*a_0000\.png, .*, 30 x 20 pixels"):
        load(paths, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_that_is_too_small_is_named(channels: int, tmp_path: Path) -> None:
    assert load(save(tmp_path / "enough.png", COLOUR[:16, :16]), channels).shape[:2] == (16, 16)
    with pytest.raises(ValueError, match=r"small\.png has 30 x 15 pixels, but 16 are needed along each side"):
        load(save(tmp_path / "small.png", COLOUR[:15]), channels)


@pytest.mark.parametrize("channels", [1, 3, None])
def test_what_is_no_picture_is_named(channels: int | None, tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.jpg", COLOUR).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    save(tmp_path / "film.gif", GREY.astype(np.uint8), save_all=True, append_images=[Image.fromarray(COLOUR)])
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([GREY] * 3), photometric="minisblack")
    save(tmp_path / "nan.tif", np.where(GREY > 100, np.nan, 0).astype(np.float32))
    problems = {"cut.jpg": "cannot be read", "text.png": "cannot be read", "film.gif": "2 pictures"}
    problems |= {"stack.tif": "3 pictures", "nan.tif": "NaN", "none.png": "cannot be read"}
    for name, problem in problems.items():
        with pytest.raises(ValueError, match=rf"{name} .*{problem}.*\."):
            load(tmp_path / name, channels)


def test_channels_are_one_or_three() -> None:
    with pytest.raises(ValueError, match="channels must be 1, 3 or None, got 4"):
        PictureReader(4)
