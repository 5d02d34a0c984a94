"""Small folders with the names of files that public data sets come with, and contents of a test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import tifffile
from PIL import Image


def save(path: Path, array: np.ndarray, palette: list[int] | None = None) -> None:
    """Write a picture, with a palette of its own where one is given: three numbers for each index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array)
    if palette:
        picture.putpalette(palette)
    picture.save(path)


def make_drive(folder: Path, *, count: int = 20, size: tuple[int, int] = (24, 20), test_labels: bool = True) -> Path:
    """DRIVE: photographs 21 and on to train with, 01 and on to test with, and GIF masks with a palette."""
    generator = np.random.default_rng(0)
    for part, first in {"training": 21, "test": 1}.items():
        for number in range(first, first + count):
            save(folder / part / "images" / f"{number:02d}_{part}.tif", _colours(generator, size))
            save(
                folder / part / "mask" / f"{number:02d}_{part}_mask.gif", np.ones(size, np.uint8), [0, 0, 0] + [255] * 3
            )
            if part == "training" or test_labels:
                # Index 0 is white and 1 is black: an index is no grey.
                mask = generator.integers(0, 2, size, dtype=np.uint8)
                save(folder / part / "1st_manual" / f"{number:02d}_manual1.gif", mask, [255] * 3 + [0] * 3)
    return folder


def make_glas(folder: Path, *, counts: tuple[int, int, int] = (10, 6, 2), size: tuple[int, int] = (24, 20)) -> Path:
    """GlaS: bitmaps of three parts, whose labels number the glands."""
    generator = np.random.default_rng(0)
    for part, count in zip(("train", "testA", "testB"), counts, strict=True):
        for number in range(1, count + 1):
            save(folder / f"{part}_{number}.bmp", _colours(generator, size))
            save(folder / f"{part}_{number}_anno.bmp", generator.integers(0, 4, size, dtype=np.uint8))
    (folder / "Grade.csv").write_text("name, grade\n")
    return folder


def make_snemi3d(
    folder: Path,
    *,
    pages: int = 20,
    size: tuple[int, int] = (24, 20),
    dtype: str = "uint16",
    byteorder: Literal["<", ">"] = "<",
) -> Path:
    """SNEMI3D: two stacks, of grey images and of the numbers of neurites, blocks of four pixels by four."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    coarse = generator.integers(0, 9, (pages, -(-size[0] // 4), -(-size[1] // 4)))
    numbers = np.where(coarse == 8, 300 if dtype == "uint16" else 70000, coarse)
    neurites = numbers.repeat(4, 1).repeat(4, 2)[:, : size[0], : size[1]].astype(dtype)
    images = generator.integers(0, 256, (pages, *size), dtype=np.uint8)
    for name, stack in {"input": images, "labels": neurites}.items():
        tifffile.imwrite(folder / f"train-{name}.tif", stack, photometric="minisblack", byteorder=byteorder)
    return folder


def make_massachusetts_roads(folder: Path, *, count: int = 120, size: tuple[int, int] = (12, 10)) -> Path:
    """Massachusetts Roads: photographs full of one colour, part of each blank, and masks of roads."""
    generator = np.random.default_rng(0)
    for number in range(count):
        image = _colours(generator, size)
        image[..., number % 3] = 255
        image[:, : number % (size[1] + 1)] = 255
        save(folder / "tiff" / "train" / f"{number:05d}_15.tiff", image)
        road = generator.random(size) < generator.random()
        save(folder / "tiff" / "train_labels" / f"{number:05d}_15.tif", np.where(road, 255, 0).astype(np.uint8))
    return folder


def _colours(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return generator.integers(0, 255, (*size, 3), dtype=np.uint8)


def make_chase_db1(folder: Path, *, count: int = 14, size: tuple[int, int] = (24, 20)) -> Path:
    """CHASE_DB1: photographs of both eyes of children and two masks of one bit for each."""
    generator = np.random.default_rng(0)
    for number in range(1, count + 1):
        for eye in "LR":
            stem = f"Image_{number:02d}{eye}"
            save(folder / f"{stem}.jpg", generator.integers(0, 255, (*size, 3), dtype=np.uint8))
            for observer in ("1st", "2nd"):
                save(folder / f"{stem}_{observer}HO.png", generator.random(size) < 0.3)
    return folder


def make_isbi2012(
    folder: Path, *, count: int = 30, size: tuple[int, int] = (24, 20), kind: str = "stacks", white: int = 255
) -> Path:
    """ISBI 2012: grey slices and masks of cells, as two stacks or as pictures that are numbered without zeros."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, *size), dtype=np.uint8)
    cells = np.where(generator.random((count, *size)) < 0.8, white, 0).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "stacks":
        rewrite_stack(folder, "volume", images)
        rewrite_stack(folder, "labels", cells)
    else:
        for number in range(count):
            save(folder / "image" / f"{number}.png", images[number])
            save(folder / "label" / f"{number}.png", cells[number])
    return folder


def make_dsb2018(
    folder: Path, *, count: int = 12, size: tuple[int, int] = (24, 20), kind: str = "numbers", seed: int = 0
) -> Path:
    """DSB 2018: grey, RGB and RGBA images and nuclei, touching rectangles, numbered or in a mask each."""
    generator = np.random.default_rng(seed)
    for index in range(count):
        image = generator.integers(0, 255, (*size, 4), dtype=np.uint8)
        image = (image[..., 0], image[..., :3], image)[index % 3]
        numbers = generator.choice([0, 2, 3, 300], (-(-size[0] // 4), -(-size[1] // 5))).repeat(4, 0).repeat(5, 1)
        numbers = numbers[: size[0], : size[1]].astype(np.uint16)
        stem = f"nuclei_{index:03d}"
        if kind == "numbers":
            save(folder / "images" / f"{stem}.png", image)
            save(folder / "labels" / f"{stem}.png", numbers)
        else:
            save(folder / stem / "images" / f"{stem}.png", image)
            for number in sorted({2, 3, 300} & set(numbers.flat)):
                save(folder / stem / "masks" / f"{number}.png", np.where(numbers == number, 255, 0).astype(np.uint8))
    return folder


def rewrite_stack(folder: Path, name: str, array: np.ndarray) -> None:
    tifffile.imwrite(folder / f"train-{name}.tif", array, photometric="minisblack")
