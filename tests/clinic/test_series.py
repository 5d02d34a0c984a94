"""Values and places of DICOM series; the oracle is pydicom and the arithmetic of the standard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import JPEGLSLossless, MRImageStorage, PositronEmissionTomographyImageStorage, RLELossless

from clinic.builders import Series, noise
from monai_cwmi.clinic.problems import DefectError
from monai_cwmi.clinic.scans import read_scan
from monai_cwmi.clinic.sources import find_sources


def read(folder: Path) -> np.ndarray:
    (source,), _ = find_sources(folder)
    return SimpleITK.GetArrayFromImage(read_scan(source))


@pytest.mark.parametrize("storage", [PositronEmissionTomographyImageStorage, MRImageStorage])
@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
@pytest.mark.parametrize(
    ("slopes", "intercepts"),
    [
        ((1, 0.5, 1.7), (0, 0, 0)),
        ((2, 200, 200), (0, 0, 0)),
        ((1e-4, 2e-4, 1.5e-4), (0, 0, 0)),
        ((1, 1, 1), (0, -1024, -1024.5)),
        ((1, 1, 1), (-1000, 40000, 0)),
    ],
)
def test_each_slice_has_the_values_of_its_own_tags(
    tmp_path: Path, slopes: tuple[float, ...], intercepts: tuple[float, ...], syntax: Any, storage: Any
) -> None:
    series = Series(noise(3, 16, 20))
    expected = []
    for dataset, slope, intercept in zip(series.datasets, slopes, intercepts, strict=True):
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = storage
        dataset.RescaleSlope, dataset.RescaleIntercept = str(slope), str(intercept)
        expected.append(dataset.pixel_array.astype(np.float64) * slope + intercept)
        if syntax:
            plugin = "pydicom" if syntax == RLELossless else "pyjpegls"
            dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    series.write(tmp_path)
    np.testing.assert_array_equal(read(tmp_path), expected)


def test_slices_of_different_types_of_numbers_are_read(tmp_path: Path) -> None:
    series = Series(noise(3, 4, 5))
    stored: list[Any] = [
        np.full((4, 5), 60000, np.uint16),
        np.full((4, 5), -5, np.int16),
        np.full((4, 5), 200, np.uint8),
    ]
    for dataset, array in zip(series.datasets, stored, strict=True):
        dataset.PixelRepresentation = int(array.dtype.kind == "i")
        dataset.BitsAllocated = dataset.BitsStored = 8 * array.itemsize
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelData = array.tobytes()
        dataset.RescaleIntercept = "0"
    series.write(tmp_path)
    np.testing.assert_array_equal(read(tmp_path), np.stack([array.astype(int) for array in stored]))


@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_values_of_inverted_display_are_as_stored(tmp_path: Path, syntax: Any) -> None:
    series = Series(noise(3, 16, 20), tags={"PhotometricInterpretation": "MONOCHROME1"})
    for dataset in series.datasets if syntax else ():
        dataset.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
    series.write(tmp_path)
    np.testing.assert_array_equal(read(tmp_path), series.array)


def test_a_table_of_values_is_used(tmp_path: Path) -> None:
    series = Series(np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5) - 1000)
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [60, 0, 16], "HU"
    table.add_new("LUTData", "US", [3 * value + 7 for value in range(60)])
    for dataset in series.datasets:
        del dataset.RescaleSlope, dataset.RescaleIntercept
        dataset.PixelRepresentation = 0
        dataset.ModalityLUTSequence = [table]
    series.write(tmp_path)
    np.testing.assert_array_equal(read(tmp_path), 3 * (series.array.astype(int) + 1000) + 7)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"RescaleSlope": "0"}, r"RescaleSlope is 0 and RescaleIntercept -1000: its values are not known"),
        ({"RescaleSlope": ["1", "2"]}, r"cannot be read: truncated, damaged or of an unknown kind \(IM000"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, r"its voxels are colours \(PALETTE COLOR\)"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "3 values in each voxel"),
    ],
)
def test_values_that_nobody_knows_are_refused(tmp_path: Path, tags: dict[str, Any], message: str) -> None:
    Series(noise(3, 4, 5), tags=tags).write(tmp_path)
    with pytest.raises(DefectError, match=message):
        read(tmp_path)


def test_a_slice_without_a_slope_among_others_is_named(tmp_path: Path) -> None:
    series = Series(noise(3, 4, 5))
    del series.datasets[1].RescaleSlope
    paths = series.write(tmp_path)
    with pytest.raises(DefectError, match=f"RescaleSlope is missing in 1 of 3 slices, first in {paths[1].name}"):
        read(tmp_path)


@pytest.mark.parametrize("spacing", [["0", "0"], ["0.8", "0"], ["-0.8", "0.8"], "0.8", None])
def test_a_pixel_of_unknown_size_is_refused(tmp_path: Path, spacing: Any) -> None:
    series = Series(noise(3, 4, 5), tags={"PixelSpacing": spacing, "ImagerPixelSpacing": ["1", "1"]})
    series.write(tmp_path)
    with pytest.raises(DefectError, match=r"PixelSpacing is missing or 0 in 3 of 3 slices, first in IM000\d"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("tags", "thickness"),
    [
        ({}, 1.25),
        ({"SpacingBetweenSlices": "3"}, 3.0),
        ({"SpacingBetweenSlices": "0"}, 1.25),
        ({"SliceThickness": None}, None),
        ({"SliceThickness": "0"}, None),
    ],
)
def test_a_single_slice_is_as_thick_as_its_tags_say(
    tmp_path: Path, tags: dict[str, Any], thickness: float | None
) -> None:
    Series(noise(1, 4, 5), tags=tags).write(tmp_path)
    (source,), _ = find_sources(tmp_path)
    if thickness is None:
        with pytest.raises(DefectError, match="a single slice of unknown thickness"):
            read_scan(source)
    else:
        assert read_scan(source).GetSpacing() == pytest.approx((0.6, 0.8, thickness))


@pytest.mark.parametrize(
    ("drift", "outcome"), [(0.0, ""), (0.002, "straightened"), (0.01, "up to .* mm: resample it to a straight grid")]
)
def test_slices_that_drift_aside_are_straightened_or_refused(tmp_path: Path, drift: float, outcome: str) -> None:
    # Each step is within what positions are rounded to; all of them are not.
    Series(noise(40, 4, 5), step=(drift, 0, 2.5)).write(tmp_path)
    (source,), _ = find_sources(tmp_path)
    remarks: list[str] = []
    if "resample" in outcome:
        with pytest.raises(DefectError, match=outcome):
            read_scan(source)
    else:
        read_scan(source, remarks)
        assert [outcome in remark for remark in remarks] == [True] * bool(outcome)
