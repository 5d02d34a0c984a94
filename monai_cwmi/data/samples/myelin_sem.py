"""Axons and myelin in a scanning electron micrograph of nerve tissue, the sample of ``AxonDeepSeg``."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from monai.utils import optional_import

from monai_cwmi.data.samples.sample import Sample
from monai_cwmi.data.wheels import Wheel
from monai_cwmi.data.writing import cut_cases, write_dataset

Image, _ = optional_import("PIL.Image")

# Columns of the image in tenths of its width.
MYELIN_SECTIONS = {"training": (0, 5), "validation": (5, 6), "test": (6, 10)}
MYELIN_CODES = {0: 0, 128: 1, 255: 2}
MYELIN_METADATA = {
    "name": "myelin_sem",
    "description": "Axons and myelin in a scanning electron micrograph of nerve tissue",
    "reference": "AxonDeepSeg 1.1, https://doi.org/10.1038/s41598-018-22181-4",
    "licence": "MIT, Copyright (c) 2018 NeuroPoly (Polytechnique Montreal)",
    "label_origin": "manual",
    "pixel_size_um": 0.14,
    "modality": {"0": "SEM"},
    "labels": {"0": "background", "1": "myelin", "2": "axon"},
}


def _prepare(contents: list[bytes], folder: Path) -> None:
    image, mask = (Image.open(io.BytesIO(content)).convert("L") for content in contents)
    # An odd last row or column would be averaged with nothing.
    image, mask = (picture.crop((0, 0, picture.width // 2 * 2, picture.height // 2 * 2)) for picture in (image, mask))
    image = np.asarray(image.reduce(2))
    label = _encode_label(np.asarray(mask.resize((mask.width // 2, mask.height // 2), Image.Resampling.NEAREST)))
    height, width = image.shape
    sections = {
        section: [((0, height), (width * start // 10, width * stop // 10))]
        for section, (start, stop) in MYELIN_SECTIONS.items()
    }
    write_dataset(folder, MYELIN_METADATA, cut_cases(image, label, sections))


def _encode_label(mask: np.ndarray) -> np.ndarray:
    unknown = sorted(set(np.unique(mask).tolist()) - set(MYELIN_CODES))
    if unknown:
        raise ValueError(f"The myelin mask holds values {unknown}; only {sorted(MYELIN_CODES)} have a meaning.")
    table = np.zeros(256, np.uint8)
    table[list(MYELIN_CODES)] = list(MYELIN_CODES.values())
    return np.take(table, mask)


MYELIN_SEM = Sample(
    wheel=Wheel(
        requirement="AxonDeepSeg==1.1",
        filename="AxonDeepSeg-1.1-py2.py3-none-any.whl",
        sha256="98e99eb2add9ea60ad8343781ea976482108f686a4fff99bde6f7f6b4d160bdb",
    ),
    members=("AxonDeepSeg/data_test/image.png", "AxonDeepSeg/data_test/mask.png"),
    prepare=_prepare,
)
