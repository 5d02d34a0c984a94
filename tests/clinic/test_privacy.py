"""That :func:`prepare_dataset` carries no name over."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pydicom

from clinic.builders import Series, block, noise, segmentation
from clinic.test_dataset import SHAPE, tree
from monai_cwmi.clinic import prepare_dataset

NAME = "ZAPHOD"


def named_everywhere(folder: Path) -> None:
    """A series, a segmentation and a NIfTI pair in which every text, file and folder has the patient's name."""
    series = Series(noise(*SHAPE), patient=NAME)
    for dataset in series.datasets:
        for keyword in pydicom.datadict.keyword_dict:
            tag = pydicom.datadict.tag_for_keyword(keyword)
            kind = pydicom.datadict.dictionary_VR(keyword)
            is_free = tag is not None and tag > 0x0008_0000 and tag not in dataset
            if is_free and kind in ("LO", "SH", "PN", "LT", "ST", "UT", "UC", "CS"):
                setattr(dataset, keyword, NAME)
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName = dataset.SeriesDescription = NAME
        dataset.add_new(0x00091010, "LO", NAME)
    series.write(folder / "images" / NAME)
    (folder / "labels").mkdir()
    for dataset in series.datasets:
        del dataset.LossyImageCompression, dataset.LossyImageCompressionMethod
        dataset.PatientSex = "O"
    segmentation(series, {NAME: block(*SHAPE)}).save_as(folder / "labels" / f"{NAME}.dcm")
    for kind, array in (("images", noise(*SHAPE, seed=1)), ("labels", block(*SHAPE))):
        image = nibabel.Nifti1Image(array.T, np.eye(4))
        for field in ("descrip", "aux_file", "db_name", "intent_name"):
            image.header[field] = NAME.encode()
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", NAME.encode()))
        path = folder / kind / f"{NAME}_2.nii"
        nibabel.save(image, path)
        # gzip keeps the name of the file that it packed.
        with path.with_suffix(".nii.gz").open("wb") as file, gzip.GzipFile(path.name, "wb", fileobj=file) as packed:
            packed.write(path.read_bytes())
        path.unlink()


def test_no_name_is_carried_over(tmp_path: Path) -> None:
    named_everywhere(tmp_path / NAME)
    out = tmp_path / "out"
    summary = prepare_dataset(tmp_path / NAME / "images", tmp_path / NAME / "labels", out)
    assert (summary.written, summary.left_out) == (2, 0)
    for name, content in tree(out).items():
        whole = content + (gzip.decompress(content) if name.endswith(".gz") else b"") + name.encode()
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            assert NAME.lower().encode(encoding) not in whole.lower()
    header = nibabel.Nifti1Image.from_filename(out / "imagesTr" / "case_0001.nii.gz").header
    assert not any(str(header[field].astype(str)) for field in ("descrip", "aux_file", "db_name", "intent_name"))
    assert not header.extensions
    # No name of a file (RFC 1952, FNAME) and no time in what gzip wrote.
    assert all(path.read_bytes()[3:8] == bytes(5) for path in out.rglob("*.gz"))
