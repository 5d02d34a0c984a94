"""An interactive page in one file, which needs no network: slices, maps, contours, values under the pointer."""

from __future__ import annotations

import base64
import html
import json
import math
import zlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from plotly.offline import get_plotlyjs

from monai_cwmi.explanation.page_content import PageContent
from monai_cwmi.pictures.panels import COLOURS

MAX_BYTES = 9_000_000  # of the maps; plotly.js takes five million more
_RAW_BYTES = 80_000_000  # before compression
_STEPS = ((1, 1), (2, 1), (2, 2), (3, 2), (4, 2), (4, 3), (4, 4), (6, 6), (8, 8), (12, 12), (16, 16))
# ColorBrewer's PuOr, as in the other figures.
_DIVERGING = [(0.0, "#542788"), (0.25, "#b2abd2"), (0.5, "#f7f7f7"), (0.75, "#fdb863"), (1.0, "#b35806")]


def write_page(
    path: Path,
    content: PageContent,
    *,
    title: str,
    size_names: Sequence[str],
    explained_variance: np.ndarray,
    words: Sequence[str],
) -> None:
    """Write the page.

    Where all maps together would be larger than some nine megabytes, slices and pixels are left out at even steps, and
    the page says so.

    Args:
        path: Of the file.
        content: What it shows.
        title: Above all.
        size_names: Of the structures at each level.
        explained_variance: Shares ``(N, C - 1)``.
        words: Sentences above the pictures.
    """
    case = content.case
    classes, levels, image = len(case.class_names) - 1, len(size_names), content.image
    number = 3 + classes * sum(levels if kind.levels else 1 for kind in content.kinds)
    depth = len(image)
    for across, along in _STEPS:
        steps = (slice(None, None, across if depth > 1 else 1), slice(None, None, along), slice(None, None, along))
        if number * image[steps].size > _RAW_BYTES:
            continue
        maps = _encode(content, classes, levels, steps)
        if sum(len(entry["bytes"]) for entry in maps.values()) <= MAX_BYTES:
            break
    shown = image[steps].shape
    filled = (content.target[steps] > 0).sum((1, 2))
    note = ""
    if depth > 1:
        note = "Slices are numbered from 0, feet to head; the patient's right is on the left, the front above. "
    if along > 1 or (across > 1 and depth > 1):
        note += f"To keep this file small, every {_ordinal(along)} row and column is shown"
        note += f", of every {_ordinal(across)} slice. " if depth > 1 else ". "
    data: dict[str, Any] = {
        "shape": shown,
        "maps": maps,
        "kinds": [kind._asdict() for kind in content.kinds],
        "classes": list(case.class_names),
        "colours": [COLOURS[index % len(COLOURS)] for index in range(classes)],
        "sizes": list(size_names),
        "explained_variance": [
            [None if math.isnan(share) else share for share in shares] for shares in explained_variance.T.tolist()
        ],
        "words": list(words),
        "slices": list(range(depth))[steps[0]],
        "start": int(filled.argmax()) if filled.any() else shown[0] // 2,
        "pitch": [case.spacing[1] * along, case.spacing[0] * along],
        "unit": case.unit,
        "diverging": _DIVERGING,
        "note": note + "Maps are stored in 255 steps; values beyond their 99.9th percentile are cut off.",
    }
    page = resources.files("monai_cwmi.explanation").joinpath("page.html").read_text(encoding="utf-8")
    parts = {"title": html.escape(title), "data": json.dumps(data).replace("<", "\\u003c"), "plotly": get_plotlyjs()}
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    path.write_text(page, encoding="utf-8")


def _encode(
    content: PageContent, classes: int, levels: int, steps: tuple[slice, slice, slice]
) -> dict[str, dict[str, Any]]:
    black, white = np.percentile(content.image, (0.5, 99.5)).tolist()
    maps = {"image": _bytes(content.image[steps], black, (white - black) / 254 or 1.0)}
    for name, labels in (("target", content.target), ("prediction", content.prediction)):
        maps[name] = _bytes(labels[steps], 0.0, 1.0)
    for kind in content.kinds:
        for index in range(1, classes + 1):
            for level in range(levels if kind.levels else 1):
                array = content.map_of(kind.key, index, level, steps[0])[(slice(None), *steps[1:])]
                limit = float(np.percentile(np.abs(array), 99.9)) or float(np.abs(array).max()) or 1.0
                # An even number of steps, so that 0 is one of the values.
                low, step = (-limit, limit / 127) if kind.signed else (0.0, limit / 254)
                maps[f"{kind.key}/{index}/{level}"] = _bytes(array, low, step)
    return maps


def _bytes(array: np.ndarray, low: float, step: float) -> dict[str, Any]:
    levels = ((array - low) / step).round().clip(0, 254).astype(np.uint8)
    return {"low": low, "step": step, "bytes": base64.b64encode(zlib.compress(levels.tobytes(), 6)).decode()}


def _ordinal(number: int) -> str:
    return {1: "", 2: "second", 3: "third"}.get(number, f"{number}th")
