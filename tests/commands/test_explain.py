from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_cwmi.__main__ import main


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options for a picture of 40 x 32 pixels, whose prediction is the label moved by a pixel."""
    label = np.zeros((40, 32), np.uint8)
    label[10:30, 8:20] = 1
    arguments = []
    for name, array in {"image": 100 * label + 50, "label": 255 * label, "prediction": np.roll(label, 1)}.items():
        Image.fromarray(array).save(tmp_path / f"{name}.png")
        arguments += [f"--{name}", str(tmp_path / f"{name}.png")]
    return arguments


def test_it_writes_and_says_how_much_is_explained(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--classes", "cell", "--levels", "2", "--spacing", "0.5", "0.5", "--unit", "µm", "--phase"]
    main(["explain", *files, "--out", str(tmp_path / "out"), *options])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("cell: fine structure (1 µm) ")
    names = ["bands_cell.png", "gradients_cell.png", "information.csv", "information.png", "page.html"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert printed[-1].startswith(f"Written: {tmp_path / 'out' / 'information.png'} ")


def test_bad_input_gets_one_line(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((40, 30), np.uint8)).save(tmp_path / "label.png")
    with pytest.raises(SystemExit, match="1"):
        main(["explain", *files, "--out", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert "label.png has the shape (30, 40), the image" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
