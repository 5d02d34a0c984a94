"""Vessels in fundus photographs of children: CHASE_DB1.

28 photographs, (960, 999, 3), of both eyes of 14 children. The label is the first observer's. Both eyes of a child are
always in the same section.

Source: M. M. Fraz et al., "An Ensemble Classification-Based Approach Applied to Retinal Blood Vessel Segmentation",
IEEE Transactions on Biomedical Engineering, 2012. Licence: CC BY 4.0.

Example::

    prepare_download("chase_db1", "downloads/CHASEDB1")
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from monai_cwmi.data.layouts.download import (
    COLOUR,
    Download,
    Pair,
    advise,
    check_sizes,
    list_files,
    order_sections,
    pair_files,
    progress,
    read_colour,
    read_mask,
)
from monai_cwmi.data.writing import Case, picture_case, write_dataset

CHASE_DB1_SOURCE = "https://researchdata.kingston.ac.uk/96"
CHASE_DB1_METADATA = {
    "name": "chase_db1",
    "description": "Vessels in fundus photographs of children",
    "reference": "CHASE_DB1, Fraz et al. 2012, https://doi.org/10.1109/TBME.2012.2205687",
    "licence": "CC BY 4.0",
    "label_origin": "manual, the first observer's",
    "section_origin": "children in order: test: the last third; validation: the last fifth of the others",
    "modality": COLOUR,
    "labels": {"0": "background", "1": "vessel"},
}
_NAME = re.compile(r"Image_(\d+)[LR]")


def _find(root: Path) -> list[Pair]:
    images = list_files(root, "Image_*.jpg")
    pairs = pair_files(
        {image: root / f"{image.stem}_1stHO.png" for image in images}, list_files(root, "Image_*_1stHO.png")
    )
    for image in images:
        if not _NAME.fullmatch(image.stem):
            raise ValueError(
                f"The name of {image} says no child and eye, as Image_01L.jpg does. Move it elsewhere, with its label."
            )
    return pairs


def _prepare(pairs: Sequence[Pair], folder: Path) -> None:
    write_dataset(folder, CHASE_DB1_METADATA, _cases(pairs))


def _cases(pairs: Sequence[Pair]) -> Iterator[Case]:
    children = [_NAME.sub(r"\1", pair.image.stem) for pair in pairs]
    listed = list(zip(order_sections(children), children, pairs, strict=True))
    for section, child, pair in progress(listed, "Preparing"):
        with advise(pair.image, pair.label):
            image, label = read_colour(pair.image), read_mask(pair.label)
            check_sizes(pair, image, label)
        yield picture_case(section, pair.image.stem, image, label.astype(np.uint8), patient=f"child_{child}")


CHASE_DB1 = Download(source=CHASE_DB1_SOURCE, patterns=("Image_*_1stHO.png",), find=_find, prepare=_prepare)
