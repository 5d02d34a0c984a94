"""Roads in aerial photographs: the Massachusetts Roads data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from monai_cwmi.data.layouts.download import (
    COLOUR,
    Download,
    Pair,
    check_sizes,
    colour_cases,
    list_files,
    pair_files,
    progress,
    read_colour,
    read_mask,
    split_pairs,
)
from monai_cwmi.data.writing import write_dataset

ROADS_SOURCE = "https://www.cs.toronto.edu/~vmnih/data"
# Folders of images and of their labels: as copies have them, Kaggle's for one, and as on the page of the source.
ROADS_FOLDERS = {"tiff/train": "tiff/train_labels", "train/sat": "train/map"}
# As in the paper, this many are drawn from so many that show most road.
ROADS_DRAWN, ROADS_CANDIDATES = 120, 300
ROADS_METADATA = {
    "name": "massachusetts_roads",
    "description": "Roads in aerial photographs of Massachusetts",
    "reference": "V. Mnih, Machine Learning for Aerial Image Labeling, PhD thesis, University of Toronto, 2013",
    "licence": f"by the terms of {ROADS_SOURCE}",
    "label_origin": "centre lines of OpenStreetMap drawn with a constant width, not drawn by hand",
    "section_origin": f"{ROADS_DRAWN} drawn of the {ROADS_CANDIDATES} training images with most road outside blank "
    "areas: 60 % training, 20 % validation, 20 % test",
    "modality": COLOUR,
    "labels": {"0": "background", "1": "road"},
}


def _find(root: Path) -> list[Pair]:
    images, labels = next((root / i, root / j) for i, j in ROADS_FOLDERS.items() if list_files(root / i, "*.tiff"))
    expected = {image: labels / f"{image.stem}.tif" for image in list_files(images, "*.tiff")}
    pairs = pair_files(expected, list_files(labels, "*.tif"))
    if len(pairs) < ROADS_DRAWN:
        raise FileNotFoundError(f"{images} has {len(pairs)} images only, of which {ROADS_DRAWN} are drawn.")
    return pairs


def _prepare(pairs: Sequence[Pair], folder: Path) -> None:
    roads = [_count_road(pair) for pair in progress(pairs, "Looking for roads")]
    candidates = np.argsort(np.negative(roads), kind="stable")[:ROADS_CANDIDATES]
    drawn = np.random.default_rng(0).choice(candidates, ROADS_DRAWN, replace=False)
    sections = split_pairs(
        [pairs[index] for index in np.sort(drawn)], {"training": 0.6, "validation": 0.2, "test": 0.2}
    )
    write_dataset(folder, ROADS_METADATA, colour_cases(sections, read_mask))


def _count_road(pair: Pair) -> int:
    """How many pixels are road and lie outside the areas, purely white, of which there is no photograph."""
    image, road = read_colour(pair.image), read_mask(pair.label)
    check_sizes(pair, image, road)
    return int(np.count_nonzero(road & (image < 255).any(-1)))


MASSACHUSETTS_ROADS = Download(
    source=ROADS_SOURCE,
    patterns=tuple(f"{images}/*.tiff" for images in ROADS_FOLDERS),
    find=_find,
    prepare=_prepare,
)
