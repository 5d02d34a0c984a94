"""Liver and liver lesions in a CT scan, the sample of ``liver-ct-segmentation-package``."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from monai_cwmi.data.samples.sample import Sample
from monai_cwmi.data.wheels import Wheel
from monai_cwmi.data.writing import Case, write_dataset

sitk, _ = optional_import("SimpleITK")

# Axial slabs, counted from the feet to the head. Training has both ends of the liver; between sections four slices are
# left out.
ORGAN_SECTIONS = {"training": ((0, 48), (96, 128)), "validation": ((52, 64),), "test": ((68, 92),)}
# The files tell no size of a voxel. At 1.5 mm the vertebrae, the kidney and the aorta have the usual sizes.
ORGAN_SPACING = 1.5
ORGAN_METADATA = {
    "name": "organ_ct",
    "description": "Liver and liver lesions in a contrast-enhanced CT scan, cropped around the liver",
    "reference": "liver-ct-segmentation-package 1.6.0, by its number case 117 of LiTS (10.1016/j.media.2022.102680)",
    "licence": "MIT (the package), Copyright (c) 2021, Luis Kuhn Cuellar",
    "label_origin": "not stated by the package; its models are trained on LiTS, whose labels are manual",
    "spacing_origin": "not stated by the package; 1.5 mm is an estimate from the sizes of vertebrae, kidney and aorta",
    "modality": {"0": "CT"},
    "labels": {"0": "background", "1": "liver", "2": "lesion"},
}


def _prepare(contents: list[bytes], folder: Path) -> None:
    types = {"image": sitk.sitkFloat32, "label": sitk.sitkUInt8}
    volumes = {key: _read_volume(content, types[key]) for key, content in zip(types, contents, strict=True)}
    slabs = [(section, *slab) for section, slabs in ORGAN_SECTIONS.items() for slab in slabs]
    cases = (
        # A slab cut from a SimpleITK image keeps its place in space.
        Case(
            section,
            f"{section}_{start:03d}.nii.gz",
            {k: partial(_write, v[:, :, start:stop]) for k, v in volumes.items()},
        )
        for section, start, stop in slabs
    )
    write_dataset(folder, ORGAN_METADATA, cases)


def _write(volume: Any, path: Path) -> None:
    sitk.WriteImage(volume, str(path), useCompression=True)


def _read_volume(content: bytes, pixel_type: int) -> Any:
    """An MRC file as a volume whose axes run to the patient's left, to the back and to the head."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "volume.mrc"
        path.write_bytes(content)
        stored = sitk.ReadImage(str(path), pixel_type)
    # The file's fastest axis runs to the head, as its pictures of the body show; its header says nothing.
    volume = sitk.PermuteAxes(stored, (2, 1, 0))
    volume.SetOrigin((0.0, 0.0, 0.0))
    volume.SetSpacing((ORGAN_SPACING,) * 3)
    volume.SetDirection((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    return volume


ORGAN_CT = Sample(
    wheel=Wheel(
        requirement="liver-ct-segmentation-package==1.6.0",
        filename="liver_ct_segmentation_package-1.6.0-py2.py3-none-any.whl",
        sha256="67ffa526d8500ce5e3d9f2c96c1690543d811d352d93d531301d35791b9d6bba",
    ),
    members=tuple(f"liver_ct_segmentation_package/data/{name}_117.mrc" for name in ("img", "lab")),
    prepare=_prepare,
)
