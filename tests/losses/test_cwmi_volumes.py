"""CWMILoss on volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor, decollate_batch, list_data_collate
from monai.losses import DeepSupervisionLoss
from monai.networks import one_hot

from monai_cwmi import CWMILoss
from monai_cwmi.bands.spec import BandOptions
from monai_cwmi.bands.voxel_sizes import voxel_sizes
from monai_cwmi.functional import measure_bands, mutual_information
from monai_cwmi.measures import ResidualError

MULTI_CLASS: dict[str, Any] = {"softmax": True, "to_onehot_y": True}
WAYS: list[tuple[int, ...] | None] = [(-1,), (0, 1, 2), None]


def example(*size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (2, 1, *size), generator=generator)
    return torch.randn(2, 3, *size, generator=generator, requires_grad=True), labels


def with_affine(tensor: torch.Tensor, *spacings: tuple[float, ...]) -> MetaTensor:
    """A batch whose images have these voxel sizes, as MONAI's loaders make it."""
    turned = torch.tensor([[0, -1.0, 0, 5], [1, 0, 0, 7], [0, 0, 1, 9], [0, 0, 0, 1]])  # columns are the array's axes
    affines = [turned @ torch.diag(torch.tensor((*spacing, 1.0))) for spacing in spacings]
    batch = list_data_collate([MetaTensor(t, affine=a) for t, a in zip(tensor, affines, strict=True)])
    assert batch.affine.shape == (2, 4, 4)
    return batch


@pytest.mark.parametrize("slice_dims", WAYS)
def test_it_is_the_sum_of_its_terms(slice_dims: tuple[int, ...] | None) -> None:
    logits, labels = example(20, 18, 19)
    logits = logits + 2 * one_hot(labels, 3)
    pair = torch.softmax(logits, 1), one_hot(labels, 3)
    options: dict[str, Any] = {"slice_dims": slice_dims, "spacing": (1.0, 1.0, 2.0), "num_levels": 2}
    information = mutual_information(*pair, **options)  # (N, B, C)
    expected = (
        0.7 * F.cross_entropy(logits, labels[:, 0])
        - 0.3 * information.mean() / (6 if slice_dims is None else 4)
        + 0.4 * measure_bands(*pair, [ResidualError()], BandOptions(**options))[0].mean()
    )
    weights: dict[str, Any] = {"lambda_ce": 0.7, "lambda_dice": 0, "lambda_mi": 0.3, "lambda_residual": 0.4}
    weights |= {"weight": None, "gate": False}
    loss = CWMILoss(**MULTI_CLASS, **weights, levels=[1, 2], **options)
    torch.testing.assert_close(loss(logits, labels), expected)


def test_volumes_are_compared_by_axial_slices_of_no_spacing_by_default() -> None:
    logits, labels = example(20, 18, 5)
    loss = CWMILoss(**MULTI_CLASS, slice_dims=(2,), spacing=None)
    assert torch.equal(CWMILoss(**MULTI_CLASS)(logits, labels), loss(logits, labels))


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("slice_dims", WAYS)
def test_spacing_of_the_batch_and_of_its_affine(slice_dims: tuple[int, ...] | None, reduction: str) -> None:
    logits, labels = example(20, 18, 19)
    loss = CWMILoss(**MULTI_CLASS, slice_dims=slice_dims, reduction=reduction)
    expected = CWMILoss(**MULTI_CLASS, slice_dims=slice_dims, reduction=reduction, spacing=(0.8, 1.2, 3.0))(
        logits, labels
    )
    assert not torch.allclose(loss(logits, labels), expected)
    torch.testing.assert_close(loss(logits, labels, (0.8, 1.2, 3.0)), expected, rtol=0, atol=0)
    meta = with_affine(labels, (0.8, 1.2, 3.0), (0.8, 1.2, 3.0))
    torch.testing.assert_close(loss(logits, meta, "affine"), expected)
    asked = CWMILoss(**MULTI_CLASS, slice_dims=slice_dims, reduction=reduction, spacing="affine")
    torch.testing.assert_close(asked(logits, meta), expected)
    # The target's affine is taken, the network's output may have another one or none.
    torch.testing.assert_close(asked(with_affine(logits, (1, 1, 1), (1, 1, 1)), meta), expected)
    torch.testing.assert_close(asked(with_affine(logits, (0.8, 1.2, 3), (0.8, 1.2, 3)), labels), expected)


def test_images_of_different_spacing_in_one_batch() -> None:
    logits, labels = example(20, 18, 19)
    spacings = [(0.8, 1.2, 3.0), (1.0, 1.0, 1.0)]
    loss = CWMILoss(**MULTI_CLASS, slice_dims=None, spacing="affine", reduction="none", ignore_index=2)
    found = loss(logits, with_affine(labels, *spacings))
    for b, spacing in enumerate(spacings):
        alone = CWMILoss(**MULTI_CLASS, slice_dims=None, spacing=spacing, reduction="none", ignore_index=2)
        torch.testing.assert_close(found[b : b + 1], alone(logits[b : b + 1], labels[b : b + 1]))


def test_a_plane_image_has_the_spacing_of_its_own_axes() -> None:
    logits, labels = (t[..., 0] for t in example(20, 24, 1))
    meta = with_affine(labels, (0.5, 2.0, 7.0), (0.5, 2.0, 7.0))
    loss = CWMILoss(**MULTI_CLASS, spacing="affine")
    torch.testing.assert_close(loss(logits, meta), CWMILoss(**MULTI_CLASS, spacing=(0.5, 2.0))(logits, labels))


def test_a_single_image_that_is_no_batch_of_a_loader() -> None:
    logits, labels = example(20, 18, 19)
    (first, _) = decollate_batch(with_affine(labels, (1, 1, 3), (1, 1, 3)))
    meta = MetaTensor(labels, affine=first.affine)
    loss = CWMILoss(**MULTI_CLASS, spacing="affine", slice_dims=(0,))
    torch.testing.assert_close(loss(logits, meta), loss(logits, labels, (1, 1, 3)))


@pytest.mark.parametrize("slice_dims", WAYS)
def test_deep_supervision(slice_dims: tuple[int, ...] | None) -> None:
    logits, labels = example(24, 24, 24)
    maps = [logits, F.avg_pool3d(logits, 2), F.avg_pool3d(logits, 4)]  # the last is 6 voxels wide
    loss = CWMILoss(**MULTI_CLASS, slice_dims=slice_dims)
    value = DeepSupervisionLoss(loss)(maps, labels.float())
    small = (F.interpolate(labels.float(), size=(n,) * 3, mode="nearest-exact") for n in (12, 6))
    parts = [loss(m, y) for m, y in zip(maps, (labels, *small), strict=True)]
    torch.testing.assert_close(value, parts[0] + 0.5 * parts[1] + 0.25 * parts[2])
    value.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("slice_dims", WAYS)
@pytest.mark.parametrize("options", [{"ignore_index": 2}, {"include_background": False}, {"weight": "balanced"}])
def test_options_of_plane_images_work_on_volumes(slice_dims: tuple[int, ...] | None, options: dict[str, Any]) -> None:
    logits, labels = example(18, 18, 18)
    value = CWMILoss(**MULTI_CLASS, slice_dims=slice_dims, **options)(logits.half(), labels.to(torch.uint8))
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.dtype == torch.float32
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("slice_dims", WAYS)
def test_a_few_steps_improve_a_prediction(slice_dims: tuple[int, ...] | None) -> None:
    grid = torch.stack(torch.meshgrid(*[torch.arange(24.0) - 11.5] * 3, indexing="ij")).norm(dim=0)
    target = ((grid > 6) & (grid < 9)).float()[None, None]  # a shell
    logits = (0.1 * torch.randn(target.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.1)
    loss = CWMILoss(sigmoid=True, slice_dims=slice_dims)
    for _ in range(100):
        optimizer.zero_grad()
        loss(logits, target).backward()
        optimizer.step()
    found = logits > 0
    assert 2 * (found & target.bool()).sum() / (found.sum() + target.sum()) > 0.93


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"slice_dims": (3,)}, "slice_dims"),
        ({"slice_dims": (0, 0)}, "slice_dims"),
    ],
)
def test_options_that_make_no_sense_are_named_at_once(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        CWMILoss(**options)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"num_orientations": 4}, "3 or 6"), ({"frequency_grid": "published", "lambda_residual": 0}, "published")],
)
def test_options_for_images_that_volumes_as_a_whole_do_not_have(options: dict[str, Any], named: str) -> None:
    loss = CWMILoss(**MULTI_CLASS, slice_dims=None, **options)
    logits, labels = example(8, 9, 10)
    assert loss(logits[..., 0], labels[..., 0]).isfinite()
    with pytest.raises(ValueError, match=named):
        loss(logits, labels)


def test_bad_spacing_is_named() -> None:
    logits, labels = example(8, 8, 8)
    with pytest.raises(ValueError, match="needs a target or an input that is a MetaTensor"):
        CWMILoss(**MULTI_CLASS, spacing="affine")(logits, labels)
    with pytest.raises(ValueError, match="spacing must be 3 positive"):
        CWMILoss(**MULTI_CLASS, spacing=(1, 1))(logits, labels)
    with pytest.raises(ValueError, match="got 'header'"):
        CWMILoss(**MULTI_CLASS)(logits, labels, "header")


def test_spacing_as_an_array_or_a_tensor() -> None:
    logits, labels = example(12, 10, 11)
    expected = CWMILoss(**MULTI_CLASS, spacing=(1, 2, 3))(logits, labels)
    for spacing in (np.array([1, 2, 3.0]), torch.tensor([1, 2, 3])):
        assert torch.equal(CWMILoss(**MULTI_CLASS)(logits, labels, spacing), expected)


def test_the_last_digits_of_an_affine_do_not_split_a_batch() -> None:
    logits, labels = example(20, 18, 19)
    meta = with_affine(labels, (0.7, 0.9, 2.5), (0.7 + 1e-8, 0.9, 2.5 - 1e-7))
    assert len(voxel_sizes(logits, meta, "affine")) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("slice_dims", WAYS)
def test_the_gpu_agrees_and_never_waits(slice_dims: tuple[int, ...] | None) -> None:
    logits, labels = example(20, 18, 24)
    loss = CWMILoss(**MULTI_CLASS, slice_dims=slice_dims, spacing=(1, 1, 2))
    expected = loss(logits, labels)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    on_gpu, labels = logits.detach().cuda().requires_grad_(), labels.cuda()
    loss(on_gpu, labels).backward()  # makes the tables
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = loss(on_gpu, labels)
        (gradient,) = torch.autograd.grad(found, on_gpu)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient.cpu(), expected_gradient, rtol=1e-2, atol=1e-6)


def test_terms_of_images_that_have_room_for_different_levels() -> None:
    logits, labels = example(40, 9, 39)
    spacings = (1.0, 1.0, 1.0), (1.0, 8.0, 1.0)
    loss = CWMILoss(**MULTI_CLASS, slice_dims=None, spacing="affine", reduction="none", lambda_mi=1, lambda_residual=1)
    meta = with_affine(labels, *spacings)
    terms = loss.terms(logits, meta)
    entropy, information = terms["cross_entropy"], terms["mutual_information"]
    expected = entropy + terms["dice"] - information.nanmean(0) + (terms["highpass_error"] + terms["lowpass_error"]) / 2
    torch.testing.assert_close(loss(logits, meta), expected)
    for index, spacing in enumerate(spacings):
        alone = loss.terms(logits[index : index + 1], labels[index : index + 1], spacing)["mutual_information"]
        torch.testing.assert_close(information[: len(alone), index : index + 1], alone)
        assert information[len(alone) :, index].isnan().all()
    assert information.isnan().any()
