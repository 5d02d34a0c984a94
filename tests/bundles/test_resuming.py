"""What must stay as it was for a fine-tuning run to be continued."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from .conftest import make_workflow
from .test_fine_tuning import FINE_TUNE, options
from .test_training import causes

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "changed",
    [
        {"steps_per_epoch": 3},
        {"patches_per_image": 3},
        {"val_interval": 2},
        {"loss": {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True}},
    ],
)
def test_a_run_is_not_continued_with_other_options(bundle: Path, rings_dir: Path, changed: dict[str, Any]) -> None:
    class_names = ["background", "ring", "core"]
    entries = options(bundle, dataset_dir=str(rings_dir), class_names=class_names)
    settings = make_workflow(bundle, *FINE_TUNE, **entries).parser.get_parsed_content("settings")
    torch.save({"finished": False, "settings": settings}, bundle / "models" / "fine_tuned" / "run.pt")
    make_workflow(bundle, *FINE_TUNE, **entries)
    with pytest.raises(RuntimeError) as error:
        make_workflow(bundle, *FINE_TUNE, **entries | changed)
    (name,) = changed
    assert any(re.search(f"other settings: {name} was [^;]*$", message) for message in causes(error.value))
