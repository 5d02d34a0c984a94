from __future__ import annotations

import base64
import json
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_cwmi.explanation import compute_gradients, page, read_case
from monai_cwmi.explanation.page_content import PageContent

OPTIONS = {"num_levels": 2, "num_orientations": None, "slice_dims": (-1,)}


class Tags(HTMLParser):
    """What a page holds: its tags, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags:
            tag, attributes = self.tags[-1]
            self.text.setdefault(attributes.get("id") or tag, []).append(data)


def write(path: Path, files: dict[str, Any], **options: Any) -> tuple[PageContent, Tags, dict[str, Any]]:
    case = read_case(**files, **options)
    content = PageContent(case, compute_gradients(case.probabilities, case.target), OPTIONS)
    shares = np.array([[0.25, np.nan], [0.5, np.nan]])
    words = ["cell & core", "</script><script>alert(1)</script>"]
    page.write_page(path, content, title="A < B", size_names=["2 px", "4 px"], explained_variance=shares, words=words)
    tags = Tags(path.read_text(encoding="utf-8"))
    return content, tags, json.loads("".join(tags.text["data"]))


def values(data: dict[str, Any], name: str) -> np.ndarray:
    """A map as the page's script decodes it."""
    entry = data["maps"][name]
    levels = np.frombuffer(zlib.decompress(base64.b64decode(entry["bytes"])), np.uint8).reshape(data["shape"])
    return np.asarray(entry["low"] + levels * entry["step"])


def test_the_page_needs_no_network(picture: dict[str, Any], tmp_path: Path) -> None:
    _, tags, data = write(tmp_path / "page.html", picture)
    assert [tag for tag, _ in tags.tags].count("script") == 3  # plotly, the data, the page's own
    assert not [attributes for _, attributes in tags.tags if {"src", "href", "data"} & attributes.keys()]
    assert any("Plotly" in text for text in tags.text["script"])
    assert "".join(tags.text["title"]).strip() == "A < B"
    assert data["words"] == ["cell & core", "</script><script>alert(1)</script>"]
    assert data["explained_variance"] == [[0.25, 0.5], [None, None]]
    assert (tmp_path / "page.html").stat().st_size < 15e6


def test_maps_are_kept_to_a_step(volume: dict[str, Any], tmp_path: Path) -> None:
    content, _, data = write(tmp_path / "page.html", volume)
    assert data["shape"] == [12, 40, 32]
    assert data["pitch"] == pytest.approx([0.9, 0.8])
    np.testing.assert_array_equal(values(data, "target"), content.target)
    np.testing.assert_array_equal(values(data, "prediction"), content.prediction)
    assert data["start"] == (content.target > 0).sum((1, 2)).argmax()
    assert len(data["maps"]) == 3 + 2 * (5 + 3 * 2)
    for kind, index, level in (("mutual_information", 2, 1), ("target_bands", 1, 0), ("cross_entropy", 1, 0)):
        expected = content.map_of(kind, index, level, slice(None))
        limit = np.percentile(abs(expected), 99.9)
        difference = values(data, f"{kind}/{index}/{level}") - expected.clip(-limit, limit)
        assert abs(difference).max() <= 1.01 * limit / 254
        assert np.isin(0, values(data, f"{kind}/{index}/{level}")) or (expected != 0).all()


def test_a_large_volume_is_thinned_and_the_page_says_so(
    volume: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(json.dumps(write(tmp_path / "all.html", volume)[2]["maps"]))
    monkeypatch.setattr(page, "MAX_BYTES", size // 5)
    content, _, data = write(tmp_path / "page.html", volume)
    assert data["shape"] == [6, 20, 16]
    assert data["slices"] == [0, 2, 4, 6, 8, 10]
    assert data["pitch"] == pytest.approx([1.8, 1.6])
    np.testing.assert_array_equal(values(data, "target"), content.target[::2, ::2, ::2])
    assert "every second row and column is shown, of every second slice" in data["note"]
