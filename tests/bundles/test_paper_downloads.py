"""The bundles of the paper's experiments on the data sets of the paper, as they are downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from downloads import make_drive, make_glas, make_massachusetts_roads, make_snemi3d
from monai_cwmi.data import load_class_names

from .conftest import PAPER_NAMES, make_workflow
from .test_paper_bundles import COLOUR, EM, SHORT, config, infer
from .test_training import causes


def make_download(name: str, folder: Path) -> Path:
    """The bundle's data set as it is downloaded, with pictures just large enough for a patch."""
    if name == "road_aerial_segmentation":
        return make_massachusetts_roads(folder, count=120, size=(40, 36))
    if name == EM:
        return make_snemi3d(folder, pages=10, size=(40, 36))
    if name == "gland_histology_segmentation":
        return make_glas(folder, counts=(5, 2, 1), size=(40, 36))
    return make_drive(folder, count=5, size=(40, 36))


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER_NAMES)
def test_from_a_download_to_a_model(
    name: str, paper_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("monai_cwmi.pictures.transforms.save_panels", lambda *_, **__: None)  # slow, tested elsewhere
    options = SHORT | {"epochs": 1, "download_dir": str(make_download(name, tmp_path / "download"))}
    workflow = make_workflow(paper_bundle, "train.json", **options)
    workflow.run()
    sections = [workflow.train_dataset_data, workflow.val_dataset_data]
    evaluation = make_workflow(paper_bundle, "train.json", "evaluate.json", **options)
    evaluation.run()
    sections.append(evaluation.val_dataset_data)
    assert len({case["image"] for cases in sections for case in cases}) == sum(map(len, sections))
    assert "mean_iou" in (paper_bundle / "eval" / "metrics.csv").read_text()
    output = infer(paper_bundle, **{key: options[key] for key in ("download_dir", "channels", "patch_size")})
    written = {path.name for path in output.glob("*_seg.png")}
    assert written == {f"{Path(case['image']).stem}_seg.png" for case in sections[-1]}


@pytest.mark.parametrize("name", COLOUR)
def test_a_download_that_is_not_named_is_asked_for(name: str, paper_bundle: Path) -> None:
    workflow = make_workflow(paper_bundle, "train.json")
    with pytest.raises(RuntimeError) as error:
        workflow.run()
    source = config(name, "metadata.json")["data_source"].split(", ")[-1]
    assert any(source in message and "--download_dir" in message for message in causes(error.value))


@pytest.mark.network
@pytest.mark.parametrize("name", [EM])
def test_the_sample_is_fetched_by_default(
    name: str, paper_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "neurite_em"
    train = make_workflow(paper_bundle, "train.json")
    evaluation = make_workflow(paper_bundle, "train.json", "evaluate.json")
    inference = make_workflow(paper_bundle, "inference.json", workflow_type="infer")
    test = [case["image"] for case in evaluation.val_dataset_data]
    assert sorted(test) == sorted(str(path) for path in (folder / "imagesTs").iterdir())
    assert sorted(test) == sorted(case["image"] for case in inference.dataset.data)
    assert not set(test) & {case["image"] for case in train.train_dataset_data + train.val_dataset_data}
    classes = [load_class_names(folder), config(name, "train.json")["class_names"]]
    assert classes[0] == classes[1]
