"""The bundle of organ and lesion in CT: deep supervision, and label maps that lie on the scan's own grid."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from ignite.engine import Events
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy.ndimage import binary_erosion, distance_transform_edt

from monai_cwmi.metrics import information_by_level

from .conftest import copy_bundle, make_workflow, run_bundle

pytestmark = pytest.mark.slow

NAME = "organ_ct_segmentation"
SIZE: dict[str, Any] = {"patch_size": [32, 32, 32], "spacing": [1.5, 1.5, 1.5]}
SHORT: dict[str, Any] = SIZE | {"epochs": 1, "steps_per_epoch": 1, "patches_per_image": 1}

# Axes of a DICOM series as columns: along its rows, along its columns, from slice to slice. Two axes of the oblique
# one are at 45 degrees to the body's, where it is a toss-up which is which.
AXIAL = np.eye(3)
SAGITTAL = np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]])
OBLIQUE = np.array([[2.0, -2, 1], [1, 2, 2], [-2, -1, 2]]) / 3
FORWARD, BACKWARD, SHUFFLED = range(14), range(13, -1, -1), [*range(1, 14, 2), *range(0, 14, 2)]
SERIES: dict[str, tuple[np.ndarray, tuple[float, ...], Sequence[int]]] = {
    "axial": (AXIAL, (1.5, 1.5, 1.5), FORWARD),
    "anisotropic": (AXIAL, (0.9, 1.2, 3.0), FORWARD),
    "reversed": (AXIAL, (1.5, 1.5, 2.0), BACKWARD),
    "shuffled": (AXIAL, (1.5, 1.5, 2.0), SHUFFLED),
    "sagittal": (SAGITTAL, (1.1, 1.1, 2.0), FORWARD),
    "oblique": (OBLIQUE, (1.2, 1.4, 2.5), FORWARD),
    "oblique_reversed": (OBLIQUE, (1.2, 1.4, 2.5), BACKWARD),
}


@pytest.fixture
def organ(tmp_path: Path) -> Path:
    """A fresh copy of the bundle."""
    return copy_bundle(tmp_path, NAME)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, blobs_dir: Path) -> Path:
    """A copy of the bundle, trained for a moment, with what it predicts for the test scan in ``output``."""
    folder = copy_bundle(tmp_path_factory.mktemp("trained"), NAME)
    data = {"dataset_dir": str(blobs_dir)}
    make_workflow(folder, "train.json", **data | SHORT | {"steps_per_epoch": 3}).run()
    make_workflow(folder, "inference.json", workflow_type="infer", **data | SIZE).run()
    return folder


def read(path: Path) -> np.ndarray:
    return np.asarray(nibabel.Nifti1Image.from_filename(path).dataobj)


def test_the_network_is_supervised_at_three_depths(organ: Path, blobs_dir: Path) -> None:
    workflow = make_workflow(organ, "train.json", dataset_dir=str(blobs_dir), **SHORT | {"epochs": 3})
    shapes: list[tuple[int, ...]] = []
    weights: list[tuple[int, float]] = []

    @workflow.trainer.on(Events.ITERATION_COMPLETED)
    def remember(engine: Any) -> None:
        shapes[:] = [tuple(prediction.shape) for prediction in engine.state.output[0]["pred"]]
        weights.append((engine.state.epoch, engine.loss_function.loss.lambda_mi))

    workflow.run()
    assert shapes == [(3, 32, 32, 32), (3, 16, 16, 16), (3, 8, 8, 8)]
    assert weights == [(1, 0.25), (2, 0.25), (3, 0.25)]  # with information from the first epoch on


def test_another_loss_is_supervised_too(organ: Path, blobs_dir: Path) -> None:
    loss = {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True}
    workflow = make_workflow(organ, "train.json", dataset_dir=str(blobs_dir), loss=loss, **SHORT)
    workflow.run()
    assert type(workflow.trainer.loss_function.loss).__name__ == "DiceCELoss"
    assert (organ / "models" / "model.pt").is_file()


def test_what_is_not_random_is_done_once(organ: Path, blobs_dir: Path) -> None:
    workflow = make_workflow(organ, "train.json", dataset_dir=str(blobs_dir), **SHORT)
    dataset = workflow.train_dataset
    # Volumes of 44 x 50 x 54 mm, in voxels of 1.5 mm and no shorter than a patch, are kept ready to be cropped.
    assert [tuple(case["image"].shape) for case in dataset._cache] == [(1, 32, 34, 36)] * 2
    for (patch,) in dataset:
        assert patch["image"].shape == patch["label"].shape == (1, 32, 32, 32)
        assert -0.5 < patch["image"].min() < patch["image"].max() < 1.5


def test_evaluation_measures_on_the_scans_own_grid(trained: Path, blobs_dir: Path, tmp_path: Path) -> None:
    configs = [str(trained / "configs" / f"{name}.json") for name in ("train", "evaluate")]
    options = SIZE | {"dataset_dir": blobs_dir, "output_dir": "eval"}
    arguments = [f"--{key}={value}" for key, value in options.items()]
    printed = run_bundle("--config_file", str(configs), "--bundle_root", str(trained), *arguments, cwd=tmp_path)

    prediction = read(trained / "output" / "test_0_seg.nii.gz")
    label = nibabel.Nifti1Image.from_filename(blobs_dir / "labelsTs" / "test_0.nii.gz")
    target, spacing = np.asarray(label.dataobj), label.header.get_zooms()
    expected = {}
    for index, name in enumerate(("background", "liver", "lesion")):
        found, true = prediction == index, target == index
        expected[f"dice_{name}"] = 2 * (found & true).sum() / (found.sum() + true.sum())
        if index and found.any():
            expected[f"surface_distance_{name}"] = surface_distance(found, true, spacing)
    assert "surface_distance_liver" in expected
    with (tmp_path / "eval" / "metrics.csv").open() as file:
        written = {name: float(value) for name, value in csv.reader(file)}
    for name, value in expected.items():
        assert written[name] == pytest.approx(value, abs=1e-3)
        assert f"{name}: {written[name]:.4f}" in printed
    assert (tmp_path / "eval" / "test_0_pred.png").is_file()
    with (tmp_path / "eval" / "information.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["class"], row["size"]) for row in rows[:2]] == [("liver", "2"), ("liver", "4")]
    assert {row["unit"] for row in rows} == {"mm"}
    images = [torch.from_numpy(np.flip(array == 1, 0).copy()[None, None]) for array in (prediction, target)]  # in RAS
    explained_variance = information_by_level(*images, spacing=spacing).explained_variance[:, 0, 0]
    found = [float(row["explained_variance"]) for row in rows[:4]]
    count = len(explained_variance)
    assert found[:count] == pytest.approx(explained_variance.tolist(), rel=1e-4)
    assert count == 3
    assert np.isnan(found[count:]).all()  # too few coefficients


def surface_distance(first: np.ndarray, second: np.ndarray, spacing: tuple[float, ...]) -> float:
    """The mean, over the surfaces of both, of the distance to the other's surface."""
    surfaces = [mask & ~binary_erosion(mask) for mask in (first, second)]
    distances = [distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    return float(np.concatenate([distances[1][surfaces[0]], distances[0][surfaces[1]]]).mean())


def write_series(folder: Path, axes: np.ndarray, spacing: tuple[float, ...], places: Sequence[int]) -> None:
    """A DICOM series of a field that rises by 3, 4 and 5 HU for each mm along x, y and z and is 40 in its middle."""
    folder.mkdir(parents=True)
    shape = np.array([28, 24, 14])  # columns, rows, slices
    origin = np.array([-20.0, 35.0, 60.0])
    steps = axes * spacing  # mm, from index to position
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    field = 40 + (index - (shape - 1) / 2) @ steps.T @ [3.0, 4.0, 5.0]
    common: dict[str, Any] = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    common |= {"FrameOfReferenceUID": generate_uid(), "SOPClassUID": CTImageStorage, "Modality": "CT"}
    common |= {"Rows": 24, "Columns": 28, "PixelSpacing": [spacing[1], spacing[0]], "SliceThickness": spacing[2]}
    common |= {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 1}
    common |= {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "RescaleSlope": 0.25, "RescaleIntercept": -100}
    for number, place in enumerate(places):
        dataset = pydicom.Dataset()
        for keyword, value in common.items():
            setattr(dataset, keyword, value)
        dataset.ImageOrientationPatient = axes[:, :2].T.ravel().round(10).tolist()
        dataset.ImagePositionPatient = (origin + steps[:, 2] * place).round(8).tolist()
        dataset.InstanceNumber = number + 1
        dataset.SOPInstanceUID = generate_uid()
        dataset.PixelData = ((field[:, :, place].T + 100) / 0.25).round().astype("<i2").tobytes()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)


def read_series(folder: Path) -> sitk.Image:
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def label_with_a_threshold(bundle: Path, scans: Path, tmp_path: Path, **options: Any) -> None:
    """Run inference with a pointwise network that calls a voxel liver above 40 HU, the middle of the window."""
    weights = {"weight": torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1, 1, 1), "bias": torch.tensor([0.0, -0.5, -9.0])}
    torch.save(weights, tmp_path / "pointwise.pt")
    make_workflow(
        bundle,
        "inference.json",
        workflow_type="infer",
        image_dir=str(scans),
        ckpt_path=str(tmp_path / "pointwise.pt"),
        network_def={"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 3, "kernel_size": 1},
        **SIZE | options,
    ).run()


def check_labels(label: sitk.Image, scan: sitk.Image) -> None:
    """The label map has the scan's grid, and at each voxel what the threshold says of the scan there."""
    assert label.GetSize() == scan.GetSize()
    for geometry in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(label, geometry)(), getattr(scan, geometry)(), atol=1e-4)
    assert label.GetPixelID() == sitk.sitkUInt8
    found, values = sitk.GetArrayFromImage(label), sitk.GetArrayFromImage(scan)
    # Interpolation keeps a linear field but at the edges of the volume; a voxel near the threshold may fall either way.
    certain = np.zeros(values.shape, bool)
    certain[2:-2, 2:-2, 2:-2] = True
    certain &= abs(values - 40) > 1
    assert certain.mean() > 0.4
    np.testing.assert_array_equal(found[certain], (values > 40)[certain])
    assert 0.3 < found.mean() < 0.7


@pytest.mark.parametrize("name", SERIES)
def test_labels_lie_over_a_dicom_series(organ: Path, tmp_path: Path, name: str) -> None:
    write_series(tmp_path / "scans" / name, *SERIES[name])
    label_with_a_threshold(organ, tmp_path / "scans", tmp_path)
    check_labels(sitk.ReadImage(organ / "output" / f"{name}_seg.nii.gz"), read_series(tmp_path / "scans" / name))
    assert (organ / "output" / f"{name}_pred.png").is_file()


def test_a_folder_may_be_one_series(organ: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "scan", *SERIES["oblique"])
    label_with_a_threshold(organ, tmp_path / "scan", tmp_path)
    check_labels(sitk.ReadImage(organ / "output" / "scan_seg.nii.gz"), read_series(tmp_path / "scan"))


def test_series_named_by_their_uids_do_not_overwrite_each_other(organ: Path, tmp_path: Path) -> None:
    for name in ("1.2.840.1", "1.2.840.2"):
        write_series(tmp_path / "scans" / name, *SERIES["axial"])
    label_with_a_threshold(organ, tmp_path / "scans", tmp_path)
    assert {path.name for path in (organ / "output").glob("*_seg*")} == {f"1.2.840.{n}_seg.nii.gz" for n in (1, 2)}


@pytest.mark.parametrize(("axcodes", "suffix"), [("LAS", ".nii.gz"), ("PIR", ".nii"), ("SRA", ".mha")])
def test_labels_lie_over_a_file(organ: Path, tmp_path: Path, axcodes: str, suffix: str) -> None:
    write_series(tmp_path / "series", *SERIES["anisotropic"])
    scan = sitk.DICOMOrient(read_series(tmp_path / "series"), axcodes)
    (tmp_path / "scans").mkdir()
    sitk.WriteImage(scan, tmp_path / "scans" / f"scan{suffix}")
    label_with_a_threshold(organ, tmp_path / "scans", tmp_path)
    check_labels(sitk.ReadImage(organ / "output" / "scan_seg.nii.gz"), scan)


@pytest.mark.network
def test_the_sample_is_fetched_by_default(organ: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(tmp_path / "cache"))
    workflow = make_workflow(organ, "train.json", **SHORT)
    workflow.run()
    assert workflow.dataset_dir == str(tmp_path / "cache" / "organ_ct")
    evaluation = make_workflow(organ, "train.json", "evaluate.json")
    assert [Path(case["image"]).parent.name for case in evaluation.val_dataset_data] == ["imagesTs"]
    inference = make_workflow(organ, "inference.json", workflow_type="infer")
    assert [case["image"] for case in inference.dataset.data] == [case["image"] for case in evaluation.val_dataset_data]
