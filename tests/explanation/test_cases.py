from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from PIL import Image

from monai_cwmi.explanation import read_case
from monai_cwmi.explanation.cases import class_indices

from .conftest import labels

Paths = dict[str, Any]


def test_a_picture_with_a_bundles_grey_values(picture: Paths) -> None:
    case = read_case(**picture)
    label = torch.from_numpy(labels(60, 80).T.copy())  # the horizontal axis first
    assert torch.equal(case.target.argmax(0), label.long())
    assert torch.equal(case.probabilities.argmax(0), label.roll(2, 1).long())
    assert case.image.shape == (1, 80, 60)
    assert case.is_decided
    assert (case.class_names, case.spacing, case.unit) == (("background", "class 1", "class 2"), (1, 1), "px")
    spaced = read_case(**picture, class_names=["rest", "cell", "core"], spacing=(0.2, 0.3), unit="µm")
    assert (spaced.class_names, spaced.spacing, spaced.unit) == (("rest", "cell", "core"), (0.2, 0.3), "µm")


def test_a_volume_is_turned_to_ras(volume: Paths) -> None:
    case = read_case(**volume)
    assert torch.equal(case.target.argmax(0), torch.from_numpy(labels(32, 40, 12)[::-1].copy()).long())
    np.testing.assert_allclose(case.spacing, (0.8, 0.9, 3.0))
    assert case.unit == "mm"


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_other_formats(volume: Paths, tmp_path: Path, suffix: str) -> None:
    paths: dict[str, Any] = {}
    for name, path in volume.items():
        paths[name] = tmp_path / f"{name}{suffix}"
        sitk.WriteImage(sitk.ReadImage(path), paths[name])
    case, expected = read_case(**paths), read_case(**volume)
    assert torch.equal(case.target, expected.target)
    assert torch.equal(case.probabilities, expected.probabilities)
    np.testing.assert_allclose(case.spacing, expected.spacing, atol=1e-6)


def test_probabilities(picture: Paths, volume: Paths, tmp_path: Path) -> None:
    scores = np.random.default_rng(0).random((3, 80, 60)).astype(np.float32)
    probabilities = scores / scores.sum(0)
    np.save(tmp_path / "p.npy", probabilities)
    case = read_case(**picture | {"prediction": tmp_path / "p.npy"})
    assert not case.is_decided
    torch.testing.assert_close(case.probabilities, torch.from_numpy(probabilities))

    scores = np.random.default_rng(0).random((32, 40, 12, 3)).astype(np.float32)
    probabilities = scores / scores.sum(-1, keepdims=True)
    nibabel.save(nibabel.Nifti1Image(probabilities, np.diag([-0.8, 0.9, 3.0, 1.0])), tmp_path / "p.nii.gz")
    case = read_case(**volume | {"prediction": tmp_path / "p.nii.gz"})
    torch.testing.assert_close(case.probabilities, torch.from_numpy(probabilities[::-1].copy()).movedim(-1, 0))


def test_one_channel_is_the_foreground(picture: Paths, tmp_path: Path) -> None:
    foreground = np.random.default_rng(0).random((1, 80, 60)).astype(np.float32)
    np.save(tmp_path / "p.npy", foreground)
    Image.fromarray(labels(60, 80) // 2 * 255).save(tmp_path / "label.png")
    case = read_case(picture["image"], tmp_path / "label.png", tmp_path / "p.npy")
    torch.testing.assert_close(case.probabilities[1:], torch.from_numpy(foreground))
    torch.testing.assert_close(case.probabilities.sum(0), torch.ones(80, 60))
    assert case.target[1].sum() == (labels(60, 80) == 2).sum()


def test_an_image_in_colour(picture: Paths, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "image.tif")
    case = read_case(**picture | {"image": tmp_path / "image.tif"})
    assert torch.equal(case.image, torch.from_numpy(colours).permute(2, 1, 0).float())


@pytest.mark.parametrize(
    ("label", "prediction", "options", "expected"),
    [
        ([0, 1, 2], [2, 1, 0], {}, ([0, 1, 2], [2, 1, 0])),
        ([0, 1, 2], [0, 128, 255], {}, ([0, 1, 2], [0, 1, 2])),
        ([0, 255, 255], [0, 0, 255], {}, ([0, 1, 1], [0, 0, 1])),
        ([0, 100, 255], [255, 0, 100], {}, ([0, 1, 2], [2, 0, 1])),
        ([0, 1, 3], [0, 170, 255], {"num_classes": 4}, ([0, 1, 3], [0, 2, 3])),
        ([7, 3, 0], [0, 3, 3], {"label_values": [0, 7, 3]}, ([1, 2, 0], [0, 2, 2])),
        ([0, 205, 500], [0, 1, 2], {"label_values": [0, 500, 205]}, ([0, 2, 1], [0, 1, 2])),
    ],
)
def test_values_of_classes(
    label: list[int], prediction: list[int], options: dict[str, object], expected: tuple[list[int], list[int]]
) -> None:
    maps = {"label": torch.tensor(label), "prediction": torch.tensor(prediction)}
    found = class_indices(maps, **options)  # type: ignore[arg-type]
    assert (found["label"].tolist(), found["prediction"].tolist()) == expected


@pytest.mark.parametrize(
    ("prediction", "options", "message"),
    [
        ([0, 1, 3], {"num_classes": 3}, r"The prediction holds \[3\], which are none of the 3 classes 0 to 2"),
        ([0, 100, 255], {}, r"The prediction holds \[100\], .*Say with label_values"),
        ([0, 1, 9], {"label_values": [0, 5, 7]}, r"The prediction holds \[1, 9\]"),
        ([0, 1, -1], {}, "The prediction must hold whole numbers from 0 on"),
        ([0, 1, 0.5], {}, "The prediction must hold whole numbers"),
    ],
)
def test_values_that_are_no_classes(prediction: list[float], options: dict[str, object], message: str) -> None:
    maps = {"label": torch.tensor([0, 1, 2]), "prediction": torch.tensor(prediction)}
    with pytest.raises(ValueError, match=message):
        class_indices(maps, **options)  # type: ignore[arg-type]


def test_probabilities_that_are_none(picture: Paths, tmp_path: Path) -> None:
    good = np.full((3, 80, 60), 1 / 3, np.float32)
    for array, message in {
        "logits": (3 * good - 2, "must hold class indices or probabilities from 0 to 1, but reaches from -1 to -1"),
        "sum": (2 * good, "must add up to 1 at each voxel, but are up to 1 away"),
        "nan": (good * np.nan, "reaches from nan to nan"),
        "channels": (good[:2] * 1.5, "has 2 channels, but there are 3 classes"),
        "size": (good[:, :50], r"has the shape \(50, 60\), the image .* \(80, 60\)"),
    }.values():
        np.save(tmp_path / "p.npy", array)
        with pytest.raises(ValueError, match=message):
            read_case(**picture | {"prediction": tmp_path / "p.npy"}, class_names=["a", "b", "c"])


def test_files_that_do_not_fit(picture: Paths, volume: Paths, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"The label .*nowhere.png does not exist"):
        read_case(**picture | {"label": tmp_path / "nowhere.png"})
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"The image .*broken.png cannot be read"):
        read_case(**picture | {"image": tmp_path / "broken.png"})
    with pytest.raises(ValueError, match=r"The label .* has the shape \(32, 40, 12\), the image .* \(80, 60\)"):
        read_case(**picture | {"label": volume["label"]})
    array = nibabel.Nifti1Image.from_filename(volume["label"]).get_fdata().astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-0.8, 0.9, 2.0, 1.0])), tmp_path / "other.nii.gz")
    with pytest.raises(ValueError, match=r"The prediction .*other.nii.gz does not fit: it lies up to .* mm away"):
        read_case(**volume | {"prediction": tmp_path / "other.nii.gz"})
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(tmp_path / "image.png")
    with pytest.raises(ValueError, match=r"The label .*image.png must have one channel"):
        read_case(**picture | {"label": tmp_path / "image.png"})
    with pytest.raises(ValueError, match="spacing is that of a picture's pixels"):
        read_case(**volume, spacing=(1.0, 1.0))
