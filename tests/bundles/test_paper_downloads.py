"""The bundles like the paper's experiments on public data sets, as they are downloaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from downloads import (
    make_chase_db1,
    make_drive,
    make_dsb2018,
    make_glas,
    make_isbi2012,
    make_massachusetts_roads,
    make_snemi3d,
)
from monai_cwmi.data import load_class_names

from .conftest import PAPER_NAMES, make_workflow
from .test_paper_bundles import COLOUR, EM, NUCLEI, SHORT, config, infer
from .test_training import causes

# Pictures just large enough for a patch.
SIZE = (40, 36)
# What each bundle takes, as it is downloaded. Pictures of nuclei may be smaller than a patch.
TAKEN: list[tuple[str, Callable[[Path], Path]]] = [
    ("gland_histology_segmentation", partial(make_glas, counts=(5, 2, 1), size=SIZE)),
    (EM, partial(make_snemi3d, pages=10, size=SIZE)),
    (EM, partial(make_isbi2012, count=6, size=SIZE)),
    (NUCLEI, partial(make_dsb2018, count=5, size=(24, 20))),
    ("road_aerial_segmentation", partial(make_massachusetts_roads, count=120, size=SIZE)),
    ("vessel_fundus_segmentation", partial(make_drive, count=5, size=SIZE)),
    ("vessel_fundus_segmentation", partial(make_chase_db1, count=3, size=SIZE)),
]


def test_each_bundle_is_tested() -> None:
    assert {name for name, _ in TAKEN} == set(PAPER_NAMES)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make_download"), TAKEN)
def test_from_a_download_to_a_model(
    name: str,
    make_download: Callable[[Path], Path],
    paper_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MONAI_CWMI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("monai_cwmi.pictures.transforms.save_panels", lambda *_, **__: None)  # slow, tested elsewhere
    options = SHORT | {"epochs": 1, "download_dir": str(make_download(tmp_path / "download"))}
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
