from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ignite.engine import Engine
from monai.transforms import AsDiscreted, Compose, EnsureChannelFirstd, LoadImaged
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_cwmi.pictures import draw_panels
from monai_cwmi.pictures.handlers import DPI, TensorBoardPanelsHandler

NAMES = ["background", "myelin", "axon"]
FILES = {"image": "test_image.png", "label": "test_label.png", "pred": "validation_label.png"}


def validate(case: Any, folder: Path, epochs: int, **options: Any) -> dict[int, np.ndarray]:
    """The pictures that validations with one case have left, by epoch."""
    evaluator = Engine(lambda *_: [case])
    handler = TensorBoardPanelsHandler(str(folder), NAMES, **options)
    handler.attach(evaluator)
    evaluator.run([0], max_epochs=epochs)
    handler.close()
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    assert events.Tags()["images"] == ["validation"]
    return {event.step: read(io.BytesIO(event.encoded_image_string)) for event in events.Images("validation")}


def read(file: Any) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.fixture
def case(rings_dir: Path) -> Any:
    """One case as MONAI's evaluators leave it: label and prediction one-hot, the horizontal axis first."""
    load = Compose([LoadImaged([*FILES]), EnsureChannelFirstd([*FILES]), AsDiscreted(["label", "pred"], to_onehot=3)])
    return load({key: rings_dir / name for key, name in FILES.items()})


def test_the_picture_is_that_of_the_files(case: Any, rings_dir: Path, tmp_path: Path) -> None:
    pictures = validate(case, tmp_path / "events", 1)
    files = {key: np.asarray(Image.open(rings_dir / name)) for key, name in FILES.items()}
    figure = draw_panels(files["image"], files["pred"], files["label"], class_names=NAMES)
    figure.savefig(tmp_path / "expected.png", dpi=DPI)
    np.testing.assert_array_equal(pictures[1], read(tmp_path / "expected.png"))


def test_only_every_so_many_epochs(case: Any, tmp_path: Path) -> None:
    assert list(validate(case, tmp_path, 6, interval=3)) == [1, 3, 6]


def test_a_prediction_of_another_size_is_named(case: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"prediction has the shape \(140, 50\), the image \(140, 100\)"):
        validate(case | {"pred": case["pred"][:, :50]}, tmp_path, 1)


def test_an_interval_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="interval must be 1 at least, got 0"):
        TensorBoardPanelsHandler(str(tmp_path), NAMES, interval=0)
