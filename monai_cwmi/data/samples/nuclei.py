"""Cell nuclei in a fluorescence micrograph, the sample of ``stardist``."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from monai.utils import optional_import

from monai_cwmi.data.samples.sample import Sample
from monai_cwmi.data.wheels import Wheel
from monai_cwmi.data.writing import cut_cases, write_dataset

Image, _ = optional_import("PIL.Image")
maximum_filter, _ = optional_import("scipy.ndimage", name="maximum_filter")

# Rows and columns of 512 each. Sixteen columns are left out between sections.
NUCLEI_SECTIONS = {
    "training": (((0, 512), (0, 224)),),
    "validation": (((0, 512), (240, 304)),),
    "test": tuple((rows, (320, 512)) for rows in ((0, 170), (171, 341), (342, 512))),
}
NUCLEI_METADATA = {
    "name": "nuclei",
    "description": "Cell nuclei in a fluorescence micrograph, touching ones kept apart",
    "reference": "2018 Data Science Bowl, https://doi.org/10.1038/s41592-019-0612-7, in stardist 0.9.2",
    "licence": "BSD-3-Clause (the package), Copyright (c) 2018-2025, Uwe Schmidt, Martin Weigert",
    "label_origin": "manual",
    "modality": {"0": "fluorescence"},
    "labels": {"0": "background", "1": "nucleus"},
}


def _prepare(contents: list[bytes], folder: Path) -> None:
    image, nuclei = (np.asarray(Image.open(io.BytesIO(content))) for content in contents)
    image = image.astype(np.uint8)  # 16 bits in the file, of which these values need 8
    label = _apart(nuclei)
    write_dataset(folder, NUCLEI_METADATA, cut_cases(image, label, NUCLEI_SECTIONS))


def _apart(nuclei: np.ndarray) -> np.ndarray:
    """Class indices from the numbers of nuclei. Between two that touch, by a corner even, a line is background.

    The line is one pixel wide and taken from the nucleus of the lower number.
    """
    return ((nuclei > 0) & (nuclei == maximum_filter(nuclei, size=3))).astype(np.uint8)


NUCLEI = Sample(
    wheel=Wheel(
        requirement="stardist==0.9.2",
        filename="stardist-0.9.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
        sha256="2316c0feb7bd5621e7a277cb3868df475c338943c591925c420ee3622c42f023",
    ),
    members=("stardist/data/images/img2d.tif", "stardist/data/images/mask2d.tif"),
    prepare=_prepare,
)
