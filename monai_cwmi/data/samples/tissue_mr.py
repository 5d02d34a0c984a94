"""Grey and white matter in an MR image of the head, the T1 template of ``nilearn``."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from monai.utils import optional_import

from monai_cwmi.data.samples.sample import Sample
from monai_cwmi.data.wheels import Wheel
from monai_cwmi.data.writing import Case, write_dataset

nibabel, _ = optional_import("nibabel")

# Axial slabs in the template's slices of 1 mm, cut across the axis of its left-right symmetry. Between sections six
# slices are left out, so that no slice of one section has a near copy of itself in another.
TISSUE_SECTIONS = {"training": ((8, 72), (122, 154)), "validation": ((78, 88),), "test": ((94, 116),)}
TISSUE_METADATA = {
    "name": "tissue_mr",
    "description": "Grey and white matter in a T1-weighted MR template of the head without its skull",
    "reference": "ICBM 152 2009a symmetric, https://doi.org/10.1016/j.neuroimage.2010.07.033, in nilearn 0.14.1",
    "licence": "BSD-3-Clause (the package), Copyright (c) The nilearn developers",
    "label_origin": "the most probable tissue of the template's probability maps, not drawn by hand",
    "modality": {"0": "T1"},
    "labels": {"0": "background", "1": "grey matter", "2": "white matter"},
}


def _prepare(contents: list[bytes], folder: Path) -> None:
    volumes = [nibabel.Nifti1Image.from_bytes(gzip.decompress(content)) for content in contents]
    image, grey, white = (np.asarray(volume.dataobj) for volume in volumes)
    label = _most_probable(grey, white)
    affine = volumes[0].affine

    def cases() -> Iterator[Case]:
        for section, start, stop in ((section, *slab) for section, slabs in TISSUE_SECTIONS.items() for slab in slabs):
            slab_affine = affine.copy()
            slab_affine[:3, 3] += affine[:3, 2] * start
            arrays = {"image": image[:, :, start:stop], "label": label[:, :, start:stop]}
            writers = {key: partial(_write, array, slab_affine) for key, array in arrays.items()}
            yield Case(section, f"{section}_{start:03d}.nii.gz", writers)

    write_dataset(folder, TISSUE_METADATA, cases())


def _write(array: np.ndarray, affine: np.ndarray, path: Path) -> None:
    volume = nibabel.Nifti1Image(array, affine)
    volume.header.set_xyzt_units("mm")
    nibabel.save(volume, path)


def _most_probable(grey: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Class indices from two probability maps in 255ths; what they leave is the background's."""
    rest = 255 - grey.astype(np.int16) - white
    return np.argmax(np.stack([rest, grey, white]), axis=0).astype(np.uint8)


TISSUE_MR = Sample(
    wheel=Wheel(
        requirement="nilearn==0.14.1",
        filename="nilearn-0.14.1-py3-none-any.whl",
        sha256="725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
    ),
    members=tuple(
        f"nilearn/datasets/data/mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz" for kind in ("t1", "gm", "wm")
    ),
    prepare=_prepare,
)
