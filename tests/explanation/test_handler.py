from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from PIL import Image
from torch import Tensor

from monai_cwmi.explanation import InformationReport
from monai_cwmi.metrics import information_by_level


def one_hot(*shape: int, seed: int) -> Tensor:
    """Two classes, ``(2, spatial)``, in patches of 4."""
    coarse = torch.rand([-(-side // 4) for side in shape], generator=torch.Generator().manual_seed(seed)) > 0.5
    for axis, side in enumerate(shape):
        coarse = coarse.repeat_interleave(4, axis).narrow(axis, 0, side)
    return torch.stack((~coarse, coarse)).float()


def evaluate(folder: Path, cases: list[dict[str, Any]], **options: Any) -> list[dict[str, str]]:
    """Run an evaluator whose network changes nothing, and read the table."""
    report = InformationReport(folder, ["background", "cell"], **options)
    loader = DataLoader(Dataset(cases), batch_size=2)
    SupervisedEvaluator("cpu", loader, torch.nn.Identity(), val_handlers=[report]).run()
    with (folder / "information.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def case(name: str, prediction: Tensor, target: Tensor, affine: Tensor | None = None) -> dict[str, Any]:
    meta = {"filename_or_obj": f"/data/{name}"}
    return {
        "image": MetaTensor(prediction, affine=affine, meta=meta),
        "label": MetaTensor(target, affine=affine, meta=meta),
    }


def test_pictures_are_measured_in_pixels(tmp_path: Path) -> None:
    targets = [one_hot(64, 72, seed=seed) for seed in (0, 1)]
    predictions = [target.roll(1, 1) for target in targets]
    cases = [case(f"{n}.png", *pair) for n, pair in enumerate(zip(predictions, targets, strict=True))]
    rows = evaluate(tmp_path / "eval", cases)
    assert [(row["case"], row["class"], row["level"], row["size"], row["unit"]) for row in rows[3:5]] == [
        ("0.png", "cell", "4", "16", "px"),
        ("1.png", "cell", "1", "2", "px"),
    ]
    expected = information_by_level(torch.stack(predictions), torch.stack(targets)).explained_variance[
        :, :, 1
    ]  # (N, B)
    assert [float(row["explained_variance"]) for row in rows] == pytest.approx(expected.T.flatten().tolist(), rel=1e-5)
    with Image.open(tmp_path / "eval" / "information.png") as picture:
        assert picture.width > 600


def test_volumes_are_compared_axially_in_millimetres(tmp_path: Path) -> None:
    """Whatever the order of the axes in the file: here the first runs to the head."""
    target = one_hot(6, 32, 40, seed=0)
    prediction = target.roll(1, 2)
    affine = torch.tensor([[0, 0.7, 0, 0], [0, 0, 0.8, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])
    rows = evaluate(tmp_path, [case("scan.nii.gz", prediction, target, affine)], num_levels=3)
    assert [float(row["size"]) for row in rows] == pytest.approx([1.4, 2.8, 5.6])
    assert {row["unit"] for row in rows} == {"mm"}
    upright = [volume.movedim(1, -1)[None] for volume in (prediction, target)]
    expected = information_by_level(*upright, num_levels=3, spacing=(0.7, 0.8, 3.0)).explained_variance[:, 0, 1]
    assert [float(row["explained_variance"]) for row in rows] == pytest.approx(expected.tolist(), rel=1e-4)


def test_a_second_run_starts_anew_and_absent_classes_have_no_share(tmp_path: Path) -> None:
    target = one_hot(32, 32, seed=0)
    empty = torch.stack((torch.ones(32, 32), torch.zeros(32, 32)))
    evaluate(tmp_path, [case("a.png", target, target)])
    rows = evaluate(tmp_path, [case("b.png", target, empty)], spacing=(0.5, 0.25), unit="µm", num_levels=2)
    assert [(row["case"], row["size"], row["unit"], row["explained_variance"]) for row in rows] == [
        ("b.png", "0.5", "µm", "nan"),
        ("b.png", "1", "µm", "nan"),
    ]
