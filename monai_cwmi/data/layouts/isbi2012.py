"""Membranes of neurites in serial electron micrographs of a fly: the training stack of the ISBI 2012 EM challenge.

30 slices, (512, 512). The download marks cells, with 255; here membranes are the foreground. It is read as the two
stacks ``train-volume.tif`` and ``train-labels.tif``, or as copies have it, one picture for each slice.

Source: A. Cardona et al., "An Integrated Micro- and Macroarchitectural Analysis of the Drosophila Brain by
Computer-Assisted Serial Section Electron Microscopy", PLoS Biology, 2010. Licence: for research, with a citation.

Example::

    prepare_download("isbi2012", "downloads/isbi2012")
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from monai_cwmi.data.layouts.download import (
    Download,
    Pair,
    advise,
    check_sizes,
    list_files,
    order_sections,
    pair_files,
    progress,
    read_mask,
    read_stack,
)
from monai_cwmi.data.pictures import load_picture
from monai_cwmi.data.writing import Case, picture_case, write_dataset

ISBI2012_SOURCE = "https://imagej.net/events/isbi-2012-segmentation-challenge"
# One slice is much like the next, so so many that follow each other are a patient of their own.
ISBI2012_BLOCK = 2
ISBI2012_METADATA = {
    "name": "isbi2012",
    "description": "Membranes of neurites in serial electron micrographs of the ventral nerve cord of Drosophila",
    "reference": "ISBI 2012 EM challenge, Cardona et al. 2010, https://doi.org/10.1371/journal.pbio.1000502",
    "licence": f"for research, with a citation, by the terms of {ISBI2012_SOURCE}",
    "label_origin": "manual; what is no cell",
    "section_origin": "slices in order: test: the last third; validation: the last fifth of the others",
    "modality": {"0": "EM"},
    "labels": {"0": "background", "1": "membrane"},
}
_STACK = "train-volume.tif"


def _find(root: Path) -> list[Pair]:
    if list_files(root, _STACK):
        return pair_files({root / _STACK: root / "train-labels.tif"}, list_files(root, "train-labels.tif"))
    images, labels = (list_files(root, f"{kind}/*.png") for kind in ("image", "label"))
    pairs = pair_files({image: root / "label" / image.name for image in images}, labels)
    for image in images:
        if not image.stem.isdecimal():
            raise ValueError(
                f"The name of {image} is no number of a slice, as 0.png is. Move it elsewhere, with its label."
            )
    return sorted(pairs, key=_number)  # 2.png before 10.png


def _number(pair: Pair) -> int:
    return int(pair.image.stem)


def _prepare(pairs: Sequence[Pair], folder: Path) -> None:
    slices = _split_stacks(*pairs) if pairs[0].image.name == _STACK else _read_slices(pairs)
    write_dataset(folder, ISBI2012_METADATA, _cases(slices))


def _cases(slices: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> Iterator[Case]:
    """Cases of slices: the number of each, the image (H, W) and the mask (H, W) of the cells."""
    blocks = [f"block_{index // ISBI2012_BLOCK:03d}" for index in range(len(slices))]
    for section, block, (number, image, cells) in zip(order_sections(blocks), blocks, slices, strict=True):
        yield picture_case(section, f"slice_{number:02d}", image, (~cells).astype(np.uint8), patient=block)


def _read_slices(pairs: Sequence[Pair]) -> list[tuple[int, np.ndarray, np.ndarray]]:
    slices = []
    for pair in progress(pairs, "Preparing"):
        with advise(pair.image, pair.label):
            image, cells = load_picture(pair.image), read_mask(pair.label)
            if image.dtype != np.uint8 or image.ndim != 2:
                raise ValueError(
                    f"{pair.image} is not a grey image of 8 bits; it holds {image.dtype} of shape {image.shape}."
                )
            check_sizes(pair, image, cells)
        slices.append((_number(pair), image, cells))
    return slices


def _split_stacks(pair: Pair) -> list[tuple[int, np.ndarray, np.ndarray]]:
    images, labels = read_stack(pair.image), read_stack(pair.label)  # (slices, H, W)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(
            f"{pair.image} is not a stack of grey images of 8 bits; it holds {images.dtype} of shape {images.shape}. "
            "Download it again."
        )
    if labels.shape != images.shape:
        raise ValueError(
            f"The label {pair.label} has shape {labels.shape} and its image {pair.image} {images.shape}. "
            "Download both again."
        )
    cells = labels > labels.max() / 2
    return list(zip(range(len(images)), images, cells, strict=True))


ISBI2012 = Download(source=ISBI2012_SOURCE, patterns=(_STACK, "label/*.png"), find=_find, prepare=_prepare)
