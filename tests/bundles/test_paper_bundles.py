"""The bundles like the paper's experiments, on artificial pictures: cells between thin walls."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.networks.nets import AttentionUnet, UNet
from PIL import Image
from skimage.measure import euler_number
from skimage.measure import label as components
from skimage.metrics import hausdorff_distance, variation_of_information
from skimage.morphology import skeletonize
from sklearn.metrics import adjusted_rand_score

from .conftest import BUNDLES, PAPER_NAMES, make_workflow

pytestmark = pytest.mark.slow

EM, NUCLEI, VESSEL = "neurite_em_segmentation", "nuclei_microscopy_segmentation", "vessel_fundus_segmentation"
PARTLY_LABELLED = (EM, VESSEL)
COLOUR = [name for name in PAPER_NAMES if name != EM]
# The paper's, columns first as MONAI reads pictures; those of DRIVE are whole images, 565 x 584, in multiples of 32.
PATCHES = {key: [512, 512] for key in PAPER_NAMES}
PATCHES |= {"gland_histology_segmentation": [576, 448], VESSEL: [576, 608], NUCLEI: [256, 256]}
UNLABELLED = 2
SHAPE = (72, 54)  # rows and columns
SHORT: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 1, "patches_per_image": 2, "batch_size": 2}
SHORT |= {"patch_size": [32, 32], "channels": [4, 8]}


def make_label(generator: np.random.Generator) -> np.ndarray:
    """Walls, 2 pixels wide, between the cells of a few seeds."""
    places = np.moveaxis(np.indices(SHAPE), 0, -1)  # (H, W, 2)
    seeds = generator.uniform((0, 0), SHAPE, (8, 2))
    first, second = np.sort(np.linalg.norm(places[:, :, None] - seeds, axis=-1), axis=-1)[..., :2].T
    return (second - first < 2).T.astype(np.uint8)


def make_image(label: np.ndarray, colour: bool, generator: np.random.Generator) -> np.ndarray:
    """Dark walls in a grey image; in one of colours, the last channel alone shows them."""
    noise = generator.normal(0, 25, (*SHAPE, 3))
    noise[..., -1] += np.where(label == 1, 90, 160)
    noise[..., :-1] += 120
    image = noise.clip(0, 255).astype(np.uint8)
    return image if colour else image[..., -1]


@pytest.fixture
def data(name: str, tmp_path: Path) -> Path:
    """A data set for the bundle: two images in each section, with unlabelled pixels where the bundle knows them."""
    generator, folder = np.random.default_rng(0), tmp_path / "data"
    dataset: dict[str, Any] = {"labels": {"0": "cell", "1": "wall"}}
    for section in ("training", "validation", "test"):
        dataset[section] = []
        for number in range(2):
            label = make_label(generator)
            image = make_image(label, name != EM, generator)
            if name in PARTLY_LABELLED:
                label[:20, 10:] = UNLABELLED
            end = "Ts" if section == "test" else "Tr"
            case = {key: f"{key}s{end}/{section}_{number}.png" for key in ("image", "label")}
            for key, array in (("image", image), ("label", label)):
                (folder / case[key]).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(folder / case[key])
            dataset[section].append(case)
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def config(name: str, file: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((BUNDLES / name / "configs" / file).read_text())
    return content


def infer(bundle: Path, *overlays: str, **options: Any) -> Path:
    make_workflow(bundle, "inference.json", *overlays, workflow_type="infer", **options).run()
    return bundle / "output"


def by_brightness(bundle: Path) -> dict[str, Any]:
    """An option that puts a known network in place of the U-Net: class 1 is what is darker than the mean.

    Of colours, it looks at the last channel only.
    """
    channels = 1 if bundle.name == EM else 3
    weight = torch.zeros(2, channels, 1, 1)
    weight[:, -1, 0, 0] = torch.tensor([1.0, -1.0])
    (bundle / "models").mkdir()
    torch.save({"weight": weight, "bias": torch.zeros(2)}, bundle / "models" / "model.pt")
    return {
        "network_def": {"_target_": "torch.nn.Conv2d", "in_channels": channels, "out_channels": 2, "kernel_size": 1}
    }


def darker(image: np.ndarray) -> np.ndarray:
    """What the known network says."""
    last = image if image.ndim == 2 else image[..., -1]
    return (last < last.mean()).astype(np.uint8)


def expected_metrics(found: np.ndarray, true: np.ndarray, component_value: int) -> dict[str, float]:
    """The metrics of one image, by scikit-image and scikit-learn where they have them."""
    labelled = true != UNLABELLED
    masks = [((found == index) & labelled, true == index) for index in (0, 1)]
    overlaps = [(found & true).sum() for found, true in masks]
    sizes = [found.sum() + true.sum() for found, true in masks]
    dice = [2 * overlap / size for overlap, size in zip(overlaps, sizes, strict=True)]
    iou = [overlap / (size - overlap) for overlap, size in zip(overlaps, sizes, strict=True)]
    found_cells, true_cells = (components(mask, connectivity=1) for mask in masks[component_value])
    holes = [label.max() - euler_number(label > 0, connectivity=1) for label in (found_cells, true_cells)]
    # MONAI's reader turns pictures, and thinning is not quite the same along both axes.
    found_wall, true_wall = (mask.T for mask in masks[1])
    precision, sensitivity = true_wall[skeletonize(found_wall)].mean(), found_wall[skeletonize(true_wall)].mean()
    return {
        "mean_iou": float(np.mean(iou)),
        "mean_dice": float(np.mean(dice)),
        "variation_of_information": sum(variation_of_information(true_cells, found_cells, ignore_labels=[0])),
        "adjusted_rand_index": adjusted_rand_score(true_cells[labelled], found_cells[labelled]),
        "modified_hausdorff": hausdorff_distance(*masks[1], method="modified"),
        "betti_0_error": abs(found_cells.max() - true_cells.max()),
        "betti_1_error": abs(holes[0] - holes[1]),
        "cl_dice": 2 * precision * sensitivity / (precision + sensitivity),
        "dice_0": dice[0],
        "dice_1": dice[1],
    }


@pytest.mark.parametrize("name", PAPER_NAMES)
def test_evaluation_is_of_the_labelled_pixels_and_inference_on_the_images_grid(
    name: str, paper_bundle: Path, data: Path
) -> None:
    network = by_brightness(paper_bundle)
    make_workflow(
        paper_bundle, "train.json", "evaluate.json", dataset_dir=str(data), patch_size=[32, 32], **network
    ).run()
    images = sorted((data / "imagesTs").iterdir())
    pairs = [(darker(read(path)), read(data / "labelsTs" / path.name)) for path in images]
    each = [expected_metrics(*pair, component_value=int(name == NUCLEI)) for pair in pairs]
    expected = {key: np.mean([metrics[key] for metrics in each]) for key in each[0]}
    if name == NUCLEI:
        del expected["cl_dice"]
    for index, class_name in enumerate(config(name, "train.json")["class_names"]):
        expected[f"dice_{class_name}"] = expected.pop(f"dice_{index}")
    with (paper_bundle / "eval" / "metrics.csv").open() as file:
        written = {key: float(value) for key, value in csv.reader(file)}
    assert written == pytest.approx(expected, abs=1e-4)
    assert expected["variation_of_information"] > 0.05
    assert (paper_bundle / "eval" / "mean_iou_raw.csv").is_file()
    assert (paper_bundle / "eval" / "test_1_pred.png").is_file()

    output = infer(paper_bundle, dataset_dir=str(data), patch_size=[32, 32], **network)
    for path in images:
        np.testing.assert_array_equal(read(output / f"{path.stem}_seg.png"), 255 * darker(read(path)))
        assert (output / f"{path.stem}_pred.png").is_file()


@pytest.mark.parametrize("name", PAPER_NAMES)
def test_it_trains_and_infers(name: str, paper_bundle: Path, data: Path) -> None:
    workflow = make_workflow(paper_bundle, "train.json", dataset_dir=str(data), **SHORT)
    seen: list[tuple[float, int, tuple[int, ...]]] = []

    @workflow.trainer.on(Events.ITERATION_COMPLETED)
    def remember(engine: Any) -> None:
        patches = [patch["image"] for patch in engine.state.output]
        seen.append((engine.loss_function.lambda_mi, len(patches), tuple(patches[0].shape)))

    workflow.run()
    shape = (1 if name == EM else 3, 32, 32)
    assert seen == [(0.25, 4, shape)] * 2  # with information from the first epoch on
    assert all(value.isfinite().all() for value in workflow.network_def.state_dict().values())
    assert "mean_iou" in workflow.evaluator.state.metrics
    assert [path.name for path in (paper_bundle / "models").iterdir()] == ["model.pt"]
    # Pictures of any mode are read: a grey one with a palette here.
    (paper_bundle.parent / "mine").mkdir()
    Image.fromarray(make_label(np.random.default_rng(1))).convert("P").save(paper_bundle.parent / "mine" / "a.png")
    sizes = {key: SHORT[key] for key in ("channels", "patch_size")}
    label = read(infer(paper_bundle, image_dir=str(paper_bundle.parent / "mine"), **sizes) / "a_seg.png")
    assert label.shape == SHAPE
    assert set(np.unique(label)) <= {0, 255}


@pytest.mark.parametrize("name", PARTLY_LABELLED)
def test_unlabelled_pixels_teach_nothing(name: str, paper_bundle: Path) -> None:
    loss = make_workflow(paper_bundle, "train.json", dataset_dir="unused").parser.get_parsed_content("loss")
    label = torch.as_tensor(make_label(np.random.default_rng(0)))[None, None]
    label[..., :20, 10:] = UNLABELLED
    logits = torch.randn(1, 2, *SHAPE, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss(logits, label).backward()
    assert logits.grad is not None
    taught = (logits.grad != 0).any(1, keepdim=True)
    assert torch.equal(taught, label != UNLABELLED)
    # Where all is labelled, it is the loss of the bundles that know no such pixels.
    other = make_workflow(BUNDLES / NUCLEI, "train.json", dataset_dir="unused").parser.get_parsed_content("loss")
    torch.testing.assert_close(loss(logits, label % UNLABELLED), other(logits, label % UNLABELLED))


@pytest.mark.parametrize("name", PAPER_NAMES)
def test_the_other_loss_of_the_model_card(name: str, paper_bundle: Path, data: Path) -> None:
    card = (paper_bundle / "docs" / "README.md").read_text()
    (paper_bundle / "configs" / "dice.yaml").write_text(card.split("```yaml\n")[1].split("```")[0])
    entries = SHORT | {"epochs": 1, "dataset_dir": str(data)}
    workflow = make_workflow(paper_bundle, "train.json", "dice.yaml", **entries)
    workflow.run()
    assert type(workflow.trainer.loss_function).__name__ == (
        "PreparedLoss" if name in PARTLY_LABELLED else "DiceCELoss"
    )
    assert (paper_bundle / "models" / "model.pt").is_file()


@pytest.mark.parametrize("name", PAPER_NAMES)
def test_fine_tuning_to_three_classes(name: str, paper_bundle: Path, rings_dir: Path) -> None:
    """Grey pictures, which bundles for colour read as such; the third class counts where two had unlabelled pixels."""
    entries = SHORT | {"epochs": 1, "class_names": ["background", "ring", "core"]}
    workflow = make_workflow(paper_bundle, "train.json", "fine_tune.yaml", dataset_dir=str(rings_dir), **entries)
    workflow.run()
    metrics = workflow.evaluator.state.metrics
    assert {"dice_background", "dice_ring", "dice_core"} <= set(metrics)
    assert workflow.trainer.loss_function.prepare.ignore_index == (3 if name in PARTLY_LABELLED else None)
    recorded = json.loads((paper_bundle / "models" / "fine_tuned" / "model.json").read_text())
    assert recorded["network_def#in_channels"] == (1 if name == EM else 3)
    overlay = "../models/fine_tuned/model.json"
    make_workflow(paper_bundle, "train.json", "evaluate.json", overlay, channels=SHORT["channels"]).run()
    assert (paper_bundle / "eval" / "test_image_pred.png").is_file()


@pytest.mark.parametrize("name", PAPER_NAMES)
def test_the_papers_protocol(name: str, paper_bundle: Path, data: Path) -> None:
    # pads one axis, crops the other
    options: dict[str, Any] = {"dataset_dir": str(data), "channels": [4, 8], "patch_size": [64, 80]}
    workflow = make_workflow(paper_bundle, "train.json", "paper.json", **options)
    trainer, schedule = workflow.trainer, workflow.parser.get_parsed_content("lr_scheduler")
    assert workflow.parser.get_parsed_content("epochs") == trainer.state.max_epochs == 50
    assert trainer.state.epoch_length == 1  # ten of the two images
    assert type(trainer.optimizer) is torch.optim.Adam
    assert trainer.optimizer.param_groups[0]["initial_lr"] == 1e-4
    assert (type(schedule).__name__, schedule.step_size, schedule.gamma) == ("StepLR", 10, 0.8)
    assert workflow.parser.get_parsed_content("batch_size") == 10
    (case,) = workflow.train_dataset[0]
    assert list(case["image"].shape[1:]) == list(case["label"].shape[1:]) == [64, 80]
    transforms = [type(each).__name__ for each in workflow.train_dataset.transform.transforms]
    random = [each for each in transforms if each.startswith("Rand")]
    assert random == ["RandSpatialCropSamplesd", "RandFlipd", "RandFlipd"]
    assert config(name, "paper.json")["patch_size"] == PATCHES[name]


@pytest.mark.parametrize("name", [EM])
def test_the_protocol_clips_gradients(name: str, paper_bundle: Path, data: Path) -> None:
    options = SHORT | {"epochs": 1, "dataset_dir": str(data), "loss#lambda_ce": 1e4}
    norms = []
    for overlays in ([], ["paper.json"]):
        workflow = make_workflow(paper_bundle, "train.json", *overlays, **options)
        workflow.run()
        gradients = [parameter.grad for parameter in workflow.network_def.parameters()]
        norms.append(torch.nn.utils.get_total_norm(gradients).item())
    assert norms[0] > 100
    assert norms[1] == pytest.approx(5, rel=1e-4)


@pytest.mark.parametrize("name", PAPER_NAMES)
def test_an_attention_unet_in_one_overlay(name: str, paper_bundle: Path, data: Path) -> None:
    options: dict[str, Any] = {key: SHORT[key] for key in ("channels", "patch_size")} | {"dataset_dir": str(data)}
    overlay = "attention_unet.json"
    workflow = make_workflow(paper_bundle, "train.json", overlay, **SHORT | options | {"epochs": 1})
    assert isinstance(workflow.network_def, AttentionUnet)
    workflow.run()
    make_workflow(paper_bundle, "train.json", "evaluate.json", overlay, **options).run()
    assert (infer(paper_bundle, overlay, **options) / "test_0_seg.png").is_file()


@pytest.mark.parametrize("overlays", [[], ["attention_unet.json"]])
@pytest.mark.parametrize("name", PAPER_NAMES)
def test_training_and_inference_have_the_papers_networks(name: str, overlays: list[str]) -> None:
    """Inference takes the protocol's two entries that matter to it from the command line, as the model card says."""
    protocol = config(name, "paper.json")
    entries = {"dataset_dir": "unused"} | {key: protocol[key] for key in ("channels", "patch_size")}
    training = make_workflow(BUNDLES / name, "train.json", "paper.json", *overlays, dataset_dir="unused")
    inference = make_workflow(BUNDLES / name, "inference.json", *overlays, workflow_type="infer", **entries)
    with torch.device("meta"):  # big networks, whose weights do not matter here
        networks = [workflow.parser.get_parsed_content("network_def") for workflow in (training, inference)]
    assert type(networks[0]) is type(networks[1]) is (AttentionUnet if overlays else UNet)
    shapes = [{key: value.shape for key, value in network.state_dict().items()} for network in networks]
    assert shapes[0] == shapes[1]
    assert {64, 128, 256, 512, 1024} <= {shape[0] for shape in shapes[0].values() if shape}
    sizes = [workflow.parser.get_parsed_content("patch_size") for workflow in (training, inference)]
    assert sizes[0] == sizes[1]
