from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from monai_cwmi.explanation import bands_figure, compute_gradients, explain, gradients_figure, read_case
from monai_cwmi.functional import mutual_information
from monai_cwmi.metrics import information_by_level

Paths = dict[str, Any]


def test_what_is_written_of_a_picture(picture: Paths, tmp_path: Path) -> None:
    names = ["background", "cell wall", "core"]
    explanation = explain(
        picture["image"], picture["label"], picture["prediction"], tmp_path / "new" / "out", class_names=names
    )
    files = [
        "information.png",
        "bands_cell_wall.png",
        "gradients_cell_wall.png",
        "bands_core.png",
        "gradients_core.png",
    ]
    assert [path.name for path in explanation.written] == [*files, "information.csv", "page.html"]
    for path in explanation.written[:5]:
        with Image.open(path) as figure:
            assert min(figure.size) > 300
    case = read_case(**picture)
    levels = information_by_level(case.probabilities[None], case.target[None])
    bound = mutual_information(case.target[None].double(), case.target[None])
    with (tmp_path / "new" / "out" / "information.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [(row["class"], row["size"], row["unit"]) for row in rows[3:5]]
    assert found == [("cell wall", "16", "px"), ("core", "2", "px")]
    for index, row in enumerate(rows):
        place = (index % 4, 0, 1 + index // 4)
        assert float(row["explained_variance"]) == pytest.approx(levels.explained_variance[place].item(), rel=1e-4)
        assert float(row["bound"]) == pytest.approx(bound[place].item(), rel=1e-4)
    fine, coarse = (100 * float(rows[row]["explained_variance"]) for row in (0, 3))
    assert explanation.sentences[0] == (
        f"cell wall: fine structure (2 px) {fine:.0f} % explained, coarse (16 px) {coarse:.0f} % explained"
    )


def test_what_is_written_of_a_volume_as_a_whole(volume: Paths, tmp_path: Path) -> None:
    explanation = explain(**volume, out=tmp_path, whole_volume=True, num_levels=2)
    assert len(explanation.written) == 7
    assert all(path.stat().st_size > 0 for path in explanation.written)
    assert "fine structure (1.6 mm)" in explanation.sentences[0]


def test_figures_show_the_case(volume: Paths) -> None:
    case = read_case(**volume)
    options = {"num_levels": 2, "num_orientations": 4, "slice_dims": (-1,)}
    figure = bands_figure(case, 1, [1.6, 3.2], options)
    shares = case.target[1:].sum((1, 2)) / case.target[1:].sum((1, 2, 3))[:, None]  # (C, Z)
    axial = int(shares.sum(0).argmax())
    target = case.target[1, ..., axial].T.flip(0, 1)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), target)
    gradients = compute_gradients(case.probabilities, case.target)
    panels = gradients_figure(case, gradients, 2, [1.6, 3.2, 6.4, 12.8]).axes
    np.testing.assert_array_equal(panels[1].images[0].get_array(), gradients[0].values[2, ..., axial].T.flip(0, 1))
    np.testing.assert_array_equal(panels[4].images[0].get_array(), gradients[3].values[2, ..., axial].T.flip(0, 1))


def test_without_plotly_nothing_is_begun(picture: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "monai_cwmi.explanation.page", raising=False)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"needs: pip install 'monai-cwmi\[explain\]'"):
        explain(**picture, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.network
def test_a_blur_of_a_real_label_loses_what_is_fine(myelin_cache: Path) -> None:
    label = np.asarray(Image.open(myelin_cache / "myelin_sem" / "labelsTs" / "test.png"))
    one_hot = np.stack([label == index for index in range(3)])[None].astype(np.float64)
    blurred = torch.from_numpy(gaussian_filter(one_hot, (0, 0, 4, 4)))
    explained_variance = information_by_level(blurred, torch.from_numpy(one_hot)).explained_variance[:, 0]
    assert (explained_variance[0] < 0.1).all()
    assert (explained_variance[3] > 0.95).all()


def test_an_image_without_room_for_a_level(tmp_path: Path) -> None:
    path = tmp_path / "tiny.nii.gz"
    labels = np.eye(2, dtype=np.uint8)[..., None].repeat(2, 2)
    nibabel.save(nibabel.Nifti1Image(labels, np.diag([1, 1, 2, 1])), path)
    with pytest.raises(ValueError, match=r"tiny.nii.gz is too small for a level: its shape is \(2, 2, 2\)"):
        explain(path, path, path, tmp_path)


def test_a_picture_too_small_to_explain(tmp_path: Path) -> None:
    path = tmp_path / "tiny.png"
    Image.fromarray(np.eye(2, dtype=np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"tiny\.png has 2 x 2 pixels, but 16 are needed along each side"):
        explain(path, path, path, tmp_path)
