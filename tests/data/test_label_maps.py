from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import SaveImage

from monai_cwmi.data import LabelMapWriter

AFFINE = np.array([[0, -0.5, 0, 7], [0.8, 0, 0, 9], [0, 0, 3, 4], [0, 0, 0, 1]])


def save(folder: Path, shape: tuple[int, ...], dtype: Any = np.uint8) -> Path:
    labels = torch.arange(int(np.prod(shape))).reshape(1, *shape) % 5
    label_map = MetaTensor(labels, affine=torch.from_numpy(AFFINE), meta={"filename_or_obj": "mine.nii.gz"})
    options: dict[str, Any] = {"output_dtype": dtype, "resample": False, "separate_folder": False, "print_log": False}
    SaveImage(folder, output_postfix="seg", writer=LabelMapWriter, **options)(label_map)
    return folder / "mine_seg.nii.gz"


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 1), (4, 1, 1), (1, 1, 1), (1, 5, 6)])
def test_every_axis_and_the_geometry_are_kept(shape: tuple[int, ...], tmp_path: Path) -> None:
    found = nibabel.nifti1.load(save(tmp_path, shape))
    assert found.shape == shape
    np.testing.assert_allclose(found.affine, AFFINE)
    np.testing.assert_allclose(found.header.get_zooms(), (0.8, 0.5, 3))
    np.testing.assert_array_equal(np.asanyarray(found.dataobj).ravel(), np.arange(np.prod(shape)) % 5)
    assert [path.name for path in tmp_path.iterdir()] == ["mine_seg.nii.gz"]


def test_a_file_that_cannot_be_completed_has_not_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = save(tmp_path, (4, 5, 6)).read_bytes()

    def fill_the_disk(_image: object, filename: Path) -> None:
        filename.write_bytes(before[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nibabel, "save", fill_the_disk)
    with pytest.raises(RuntimeError, match=r"mine_seg.nii.gz cannot be written: .*No space left"):
        save(tmp_path, (7, 5, 6))
    # What was there before is whole, and no part of a file is left.
    assert [path.name for path in tmp_path.iterdir()] == ["mine_seg.nii.gz"]
    assert (tmp_path / "mine_seg.nii.gz").read_bytes() == before
