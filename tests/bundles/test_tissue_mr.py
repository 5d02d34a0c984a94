"""The tissue bundle on artificial volumes: slices in, label maps on each scan's own grid out."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch
from ignite.engine import Events
from scipy import ndimage

from clinic.builders import Series
from monai_cwmi.data import fetch_sample

from .conftest import copy_bundle, make_workflow

pytestmark = pytest.mark.slow

NAME = "tissue_mr_segmentation"
CENTRES = torch.tensor([0.0, 0.5, 1.0])  # of the classes, on the scale of normalised intensities
SHORT: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 2, "patches_per_image": 2, "patch_size": [32, 32]}


@pytest.fixture
def tissue(tmp_path: Path) -> Path:
    """A fresh copy of the bundle."""
    return copy_bundle(tmp_path, NAME)


def load(path: Path) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_filename(path)


def by_intensity(folder: Path, kernel: tuple[int, int] = (1, 1)) -> dict[str, Any]:
    """Options that put a known network in place of the U-Net.

    It gives each pixel the class whose centre is nearest to the intensity at the far corner of the kernel.
    """
    weight = torch.zeros(3, 1, *kernel)
    weight[:, 0, -1, -1] = 2 * CENTRES
    torch.save({"weight": weight, "bias": -(CENTRES**2)}, folder / "model.pt")
    network = {"_target_": "torch.nn.Conv2d", "in_channels": 1, "out_channels": 3, "padding": "same"}
    return {"network_def": network | {"kernel_size": list(kernel)}}


def infer(tissue: Path, image_dir: Path, **options: Any) -> Path:
    make_workflow(tissue, "inference.json", workflow_type="infer", image_dir=str(image_dir), **options).run()
    return tissue / "output"


def reoriented(array: np.ndarray, affine: np.ndarray, axcodes: str) -> nibabel.Nifti1Image:
    """An image whose axes run to the right, front and head, stored in another orientation."""
    ends = (nibabel.orientations.axcodes2ornt(codes) for codes in ("RAS", axcodes))
    image = nibabel.Nifti1Image(array, affine).as_reoriented(nibabel.orientations.ornt_transform(*ends))
    assert nibabel.aff2axcodes(image.affine) == tuple(axcodes)
    return image


def slanted(spacing: tuple[float, float, float]) -> np.ndarray:
    """An affine of this spacing, turned by 15 degrees about each of two axes."""
    cosine, sine = np.cos(np.pi / 12), np.sin(np.pi / 12)
    affine = np.eye(4)
    turn_x = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    turn_z = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    affine[:3, :3] = turn_x @ turn_z @ np.diag(spacing)
    affine[:3, 3] = 12.5, -40, 7
    return affine


@pytest.mark.parametrize(
    ("axcodes", "affine"),
    [("RAS", np.diag([1.0, 1, 5, 1])), ("LPS", slanted((1, 1, 2.5))), ("SRP", slanted((1, 1, 0.7)))],
)
def test_axial_slices_come_back_to_their_place(tissue: Path, tmp_path: Path, axcodes: str, affine: np.ndarray) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (20, 24, 7), np.uint8)
    (tmp_path / "scans").mkdir()
    scan = reoriented((100 * labels).astype(np.int16), affine, axcodes)
    nibabel.save(scan, tmp_path / "scans" / "mine.nii.gz")
    # A network that looks one pixel to the right and two to the front, and outside sees background.
    moved = np.zeros_like(labels)
    moved[:-1, :-2] = labels[1:, 2:]
    (tissue / "models").mkdir()
    found = load(infer(tissue, tmp_path / "scans", **by_intensity(tissue / "models", (3, 5))) / "mine_seg.nii.gz")
    np.testing.assert_array_equal(found.get_fdata(), reoriented(moved, affine, axcodes).get_fdata())
    np.testing.assert_allclose(found.affine, scan.affine, atol=1e-4)
    assert found.get_data_dtype() == np.uint8


def test_pixels_of_another_size_come_back_to_their_place(tissue: Path, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (4, 4, 5), np.uint8).repeat(16, 0).repeat(8, 1)
    affine = slanted((0.5, 2, 3))
    (tmp_path / "scans").mkdir()
    scan = reoriented(100 * labels, affine, "ASL")
    nibabel.save(scan, tmp_path / "scans" / "mine.nii.gz")
    # A network that looks 4 mm to the right and to the front: eight of these pixels, and two.
    moved = np.zeros_like(labels)
    moved[:-8, :-2] = labels[8:, 2:]
    (tissue / "models").mkdir()
    found = load(infer(tissue, tmp_path / "scans", **by_intensity(tissue / "models", (9, 9))) / "mine_seg.nii.gz")
    np.testing.assert_allclose(found.affine, scan.affine, atol=1e-4)
    predicted, expected = found.get_fdata(), reoriented(moved, affine, "ASL").get_fdata()
    # Resampling blurs each edge by about a millimetre.
    inside = ndimage.maximum_filter(expected, (3, 1, 5)) == ndimage.minimum_filter(expected, (3, 1, 5))
    assert inside.mean() > 0.5
    np.testing.assert_array_equal(predicted[inside], expected[inside])
    assert (tissue / "output" / "mine_pred.png").is_file()


@pytest.mark.parametrize("num_slices", [6, 1])
def test_scans_of_every_format_get_label_maps(tissue: Path, tmp_path: Path, num_slices: int) -> None:
    # Stored from head to foot: a series that is read the wrong way round has other labels.
    slices = 100 * np.random.default_rng(0).integers(0, 3, (num_slices, 30, 40))
    series = Series(slices, pitch=(1, 1), step=(0, 0, -3))
    folder = tmp_path / "scans"
    series.write(folder / "1.2.840.7")
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / "1.2.840.7"))
    scan = SimpleITK.ReadImage(names)
    for suffix in ("nrrd", "mha", "nii.gz"):
        SimpleITK.WriteImage(scan, str(folder / f"as_{suffix[:3]}.{suffix}"))
    (tissue / "models").mkdir()
    output = infer(tissue, folder, **by_intensity(tissue / "models"))
    for name in ("1.2.840.7", "as_nrr", "as_mha", "as_nii"):
        found = SimpleITK.ReadImage(str(output / f"{name}_seg.nii.gz"))
        assert found.GetSize() == scan.GetSize()
        for of_found, of_scan in (
            (found.GetOrigin(), scan.GetOrigin()),
            # A series of one slice has its thickness, which the copies by ITK do not.
            (found.GetSpacing(), (1, 1, 1.25) if num_slices == 1 and "." in name else scan.GetSpacing()),
            (found.GetDirection(), scan.GetDirection()),
        ):
            np.testing.assert_allclose(of_found, of_scan, atol=1e-4)
        array = SimpleITK.GetArrayFromImage
        np.testing.assert_array_equal(array(found), array(scan) // 100)


def surface_distance(first: np.ndarray, second: np.ndarray, spacing: Any) -> float:
    """The mean of all distances from the surface of either to that of the other."""
    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (first, second)]
    away = [ndimage.distance_transform_edt(~surface, spacing) for surface in surfaces]
    return float(np.concatenate([away[1][surfaces[0]], away[0][surfaces[1]]]).mean())


def test_evaluation_measures_on_the_scans_own_grid(tissue: Path, blobs_dir: Path) -> None:
    (tissue / "models").mkdir()
    # One pixel beside the truth, so that there is a distance.
    network = by_intensity(tissue / "models", (1, 3))
    seg = infer(tissue, blobs_dir / "imagesTs", **network) / "test_0_seg.nii.gz"
    make_workflow(tissue, "train.json", "evaluate.json", dataset_dir=str(blobs_dir), **network).run()

    label = load(blobs_dir / "labelsTs" / "test_0.nii.gz")
    found, true = load(seg).get_fdata(), label.get_fdata()
    names = ["background", "grey matter", "white matter"]
    dice = {f"dice_{name}": 2 * ((found == i) & (true == i)).sum() for i, name in enumerate(names)}
    dice = {key: value / ((found == i).sum() + (true == i).sum()) for i, (key, value) in enumerate(dice.items())}
    expected = {"mean_dice": np.mean(list(dice.values())), **dice}
    for index, name in enumerate(names[1:], 1):
        distance = surface_distance(found == index, true == index, label.header.get_zooms())
        expected[f"surface_distance_{name}"] = distance
    with (tissue / "eval" / "metrics.csv").open() as file:
        written = {name: float(value) for name, value in csv.reader(file)}
    assert written == pytest.approx(expected, abs=1e-4)
    assert min(expected[f"surface_distance_{name}"] for name in names[1:]) > 0.1
    assert (tissue / "eval" / "test_0_pred.png").is_file()


def test_training_goes_through_axial_slices(tissue: Path, tmp_path: Path) -> None:
    heights = np.broadcast_to(np.arange(40.0), (36, 34, 40))
    volume = reoriented(heights, slanted((1, 1, 2)), "ILP")
    nibabel.save(volume, tmp_path / "heights.nii.gz")
    case = {"image": str(tmp_path / "heights.nii.gz"), "label": str(tmp_path / "heights.nii.gz")}
    cropped = "$monai.transforms.Compose([@train#preprocessing] + @train#augmentation[:2])"
    options = {"train#dataset#data": [case], "train#dataset#transform": cropped, "class_names": [*map(str, range(40))]}
    workflow = make_workflow(tissue, "train.json", **SHORT | options)
    for patch in workflow.train_dataset[0]:
        assert patch["image"].shape == patch["label"].shape == (1, 32, 32)
        torch.testing.assert_close(patch["label"].as_tensor(), patch["label"].min().as_tensor().expand(1, 32, 32))


def test_it_trains_evaluates_and_infers(tissue: Path, blobs_dir: Path) -> None:
    workflow = make_workflow(tissue, "train.json", dataset_dir=str(blobs_dir), **SHORT)
    seen: list[float] = []

    @workflow.trainer.on(Events.ITERATION_COMPLETED)
    def remember(engine: Any) -> None:
        seen.append(engine.loss_function.lambda_mi)

    workflow.run()
    assert seen == [0.25] * 4  # with information from the first epoch on
    assert [path.name for path in (tissue / "models").iterdir()] == ["model.pt"]
    assert list((tissue / "eval").glob("events.out.tfevents.*"))
    make_workflow(tissue, "train.json", "evaluate.json", dataset_dir=str(blobs_dir)).run()
    assert (tissue / "eval" / "metrics.csv").is_file()
    image_dir = blobs_dir / "imagesTs"
    seg = load(infer(tissue, image_dir) / "test_0_seg.nii.gz")
    scan = load(image_dir / "test_0.nii.gz")
    assert seg.shape == scan.shape
    np.testing.assert_allclose(seg.affine, scan.affine)


@pytest.mark.network
def test_the_held_out_slab_is_for_figures_only(tissue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(tmp_path))
    folder = fetch_sample("tissue_mr")
    image = str(folder / "imagesTs" / "test_094.nii.gz")
    train = make_workflow(tissue, "train.json")
    assert image not in [case["image"] for case in train.train_dataset_data + train.val_dataset_data]
    evaluation = make_workflow(tissue, "train.json", "evaluate.json")
    assert [case["image"] for case in evaluation.val_dataset_data] == [image]
    inference = make_workflow(tissue, "inference.json", workflow_type="infer")
    assert inference.dataset.data == [{"image": image, "label": image.replace("images", "labels")}]
