"""What the configs of the bundles like the paper's experiments have in common, and with the other bundles."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import BUNDLES, PAPER_NAMES
from .test_paper_bundles import COLOUR, EM, PARTLY_LABELLED, VESSEL, config

FULLY_LABELLED = [name for name in COLOUR if name not in PARTLY_LABELLED]


def metrics_apart(content: dict[str, Any]) -> dict[str, Any]:
    """What evaluates, without what depends on whether objects are counted or what lies between them."""
    content.pop("validate#additional_metrics#cl_dice", None)
    for entry in content.values():
        if isinstance(entry, dict):
            entry.get("metric_fn", {}).pop("component_value", None)
    return content


@pytest.mark.parametrize("name", FULLY_LABELLED)
def test_bundles_for_colour_differ_in_their_data_only(name: str) -> None:
    own = {"train.json": {"dataset_dir", "class_names"}, "inference.json": {"dataset_dir", "class_names"}}
    own |= {"paper.json": {"patch_size"}, "attention_unet.json": set(), "evaluate.json": set()}
    for file, keys in own.items():
        contents = [config(each, file) for each in (FULLY_LABELLED[0], name)]
        for key in keys:
            assert all(content.pop(key) for content in contents)
        if file == "evaluate.json":
            contents = [metrics_apart(content) for content in contents]
        assert contents[0] == contents[1]


def test_bundles_with_unlabelled_pixels_evaluate_alike() -> None:
    assert config(VESSEL, "evaluate.json") == config(EM, "evaluate.json")
    for entry in ("unlabelled", "loss"):
        assert config(VESSEL, "train.json")[entry] == config(EM, "train.json")[entry]
    for entry in ("postprocessing", "key_metric", "additional_metrics"):
        assert config(VESSEL, "train.json")["validate"][entry] == config(EM, "train.json")["validate"][entry]


@pytest.mark.parametrize("name", PAPER_NAMES)
def test_the_parts_that_all_bundles_share(name: str) -> None:
    myelin = "myelin_sem_segmentation"
    for file in ("multi_gpu_train.json", "logging.conf"):
        assert (BUNDLES / name / "configs" / file).read_text() == (BUNDLES / myelin / "configs" / file).read_text()
    # The overlay for several GPUs counts on their order.
    assert config(name, "train.json")["train"]["handlers"] == config(myelin, "train.json")["train"]["handlers"]


@pytest.mark.parametrize("name", PAPER_NAMES)
def test_metadata_tell_the_classes_and_channels(name: str) -> None:
    content, train = config(name, "metadata.json"), config(name, "train.json")
    data_format = content["network_data_format"]
    assert list(data_format["outputs"]["pred"]["channel_def"].values()) == train["class_names"]
    assert data_format["inputs"]["image"]["num_channels"] == train["network_def"]["in_channels"]
