"""The page on extending the package: its measure, losses, metric and bundle, added as printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import render
from bundles.test_configs import find_unresolved, read
from monai_cwmi import SteerablePyramid
from monai_cwmi.bands.spec import BandOptions
from monai_cwmi.comparison.reported_metrics import METRICS, Masks
from monai_cwmi.functional import measure_bands

from .pages import ROOT, find_blocks

PAGE = (ROOT / "docs" / "extend.md").read_text()
BLOCKS = find_blocks("docs/extend.md")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The names that the page's blocks define."""
    before = dict(METRICS)
    names: dict[str, Any] = {"__name__": "__main__"}
    torch.manual_seed(0)
    for block in BLOCKS:
        if block.language == "python":
            exec(compile(block.text, str(block), "exec", dont_inherit=True), names)
    yield names
    METRICS.clear()
    METRICS.update(before)


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(1, 2, *shape, dtype=torch.float64, generator=generator) > 0.6).double()
    return 0.7 * target + 0.3 * torch.rand(target.shape, dtype=torch.float64, generator=generator), target


def energies(image: Tensor, dims: int) -> Tensor:
    """Energy of all bands at each level, ``(N, ...)``, from the bands themselves."""
    bands = SteerablePyramid(3, spatial_dims=dims)(image).bands
    return torch.stack([band.abs().square().flatten(-dims - 1).sum(-1) for band in bands])


@pytest.mark.parametrize("shape", [(32, 40), (24, 20, 22)])
def test_the_measure_is_computed_of_images_and_whole_volumes(page: dict[str, Any], shape: tuple[int, ...]) -> None:
    prediction, target = pair(*shape)
    options = BandOptions(num_levels=3, slice_dims=None)
    (found,) = measure_bands(prediction, target, [page["RelativeError"]()], options)
    # Volumes have real and imaginary parts as bands of their own, each with the energy of both: the share is the same.
    twice = 2 if len(shape) == 3 else 1
    expected = twice * energies(prediction - target, len(shape)) / (twice * energies(target, len(shape)) + 1e-3)
    torch.testing.assert_close(found, expected)


def test_of_slices_energies_are_added_up_before_they_are_divided(page: dict[str, Any]) -> None:
    prediction, target = pair(24, 20, 5)
    (found,) = measure_bands(prediction, target, [page["RelativeError"]()], BandOptions(num_levels=3))
    error, own = (energies(image.movedim(-1, 2), 2) for image in (prediction - target, target))  # (N, B, C, S)
    torch.testing.assert_close(found, error.mean(-1) / (own.mean(-1) + 1e-3))


def test_a_loss_has_it_as_a_term(page: dict[str, Any]) -> None:
    loss, logits, labels = page["loss"], page["logits"], page["labels"]
    assert loss.weights == {"cross_entropy": 1.0, "dice": 0.0, "relative_error": 1.0}
    terms = loss.terms(logits, labels)
    assert terms["relative_error"].shape == (4, 2, 3)
    expected = terms["cross_entropy"].mean() + terms["relative_error"].mean()
    torch.testing.assert_close(loss(logits, labels), expected)
    assert logits.grad.isfinite().all()


def test_the_metric_is_among_those_reported(page: dict[str, Any]) -> None:
    truth = torch.zeros(1, 1, 8, 8)
    truth[..., :4] = 1
    masks = Masks(truth, truth, truth * 0, truth, torch.ones_like(truth), 1)
    assert list(METRICS)[-1] == "volume_error"
    assert METRICS["volume_error"].heading == "volume error ↓"
    assert METRICS["volume_error"].compute(masks).item() == 1


def test_the_bundle_is_complete(tmp_path: Path) -> None:
    (block,) = [block for block in BLOCKS if block.language == "yaml"]
    (tmp_path / "ring_segmentation.yaml").write_text(block.text)
    bundle = render.write(tmp_path / "ring_segmentation.yaml", tmp_path)
    for names in (("train.json",), ("inference.json",), ("train.json", "evaluate.json")):
        assert find_unresolved(read(bundle, *names)) == set()


def test_every_file_of_the_page_is_there() -> None:
    words = {word.strip("`.,;:") for word in PAGE.split() if word.startswith("`") and "/" in word}
    paths = {word for word in words if word.endswith((".py", ".yaml")) and "<" not in word}
    assert len(paths) > 6
    assert [path for path in sorted(paths) if not (ROOT / path).is_file()] == []
