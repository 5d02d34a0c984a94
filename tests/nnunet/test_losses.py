from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from monai_cwmi import CWMILoss
from monai_cwmi.nnunet.losses import HeadLoss, ignored_as_value, sliced_axes


def patch(*size: int, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits of two patches that need a gradient, and their labels in nnU-Net's dtype, in blocks of four."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, *size, generator=generator, dtype=torch.float64)
    coarse = torch.randint(0, classes, (2, 1, *(-(-n // 4) for n in size)), generator=generator)
    for axis, n in enumerate(size, start=2):
        coarse = coarse.repeat_interleave(4, axis).narrow(axis, 0, n)
    return logits.requires_grad_(), coarse.to(torch.int16)


def regions_of(labels: Tensor, *regions: tuple[int, ...]) -> Tensor:
    """Overlapping regions as nnU-Net makes them: a channel each, true where the label is one of the region's."""
    return torch.cat([torch.isin(labels, torch.tensor(region)) for region in regions], 1)


def head(size: tuple[int, ...], spacing: tuple[float, ...] | None = None, **options: Any) -> HeadLoss:
    options = {"has_regions": False, "ignore_label": None} | options
    return HeadLoss(size, spacing or (1.0,) * len(size), **options)


def gradient(loss: nn.Module, logits: Tensor, target: Tensor) -> Tensor:
    (result,) = torch.autograd.grad(loss(logits, target), logits)
    return result


def test_plane_images() -> None:
    logits, labels = patch(32, 40)
    expected = CWMILoss(softmax=True, to_onehot_y=True)(logits, labels)
    torch.testing.assert_close(head((32, 40))(logits, labels), expected)


def test_slices_lie_across_the_long_axis_which_is_nnunets_first() -> None:
    logits, labels = patch(6, 32, 24)
    # MONAI's order has the same axis last: (y, x, z).
    as_in_monai = [t.permute(0, 1, 3, 4, 2) for t in (logits, labels)]
    oracle = CWMILoss(softmax=True, to_onehot_y=True, slice_dims=(-1,), spacing=(0.8, 0.7, 4.0))
    loss = head((6, 32, 24), (4.0, 0.8, 0.7))
    torch.testing.assert_close(loss(logits, labels), oracle(*as_in_monai))
    assert not torch.isclose(loss(logits, labels), CWMILoss(softmax=True, to_onehot_y=True)(logits, labels))


def test_volumes_of_near_cubes_are_compared_as_a_whole() -> None:
    logits, labels = patch(16, 24, 20)
    oracle = CWMILoss(softmax=True, to_onehot_y=True, slice_dims=None, spacing=(1.5, 1.0, 1.0))
    loss = head((16, 24, 20), (1.5, 1.0, 1.0))
    torch.testing.assert_close(loss(logits, labels), oracle(logits, labels))
    # nnU-Net mirrors patches; the whole of a volume has no preferred direction.
    mirrored = [t.flip(2, 4) for t in (logits, labels)]
    torch.testing.assert_close(loss(*mirrored), loss(logits, labels))


@pytest.mark.parametrize(
    ("spacing", "axes"),
    [((3.1, 1, 1), (0,)), ((3.0, 1, 1), None), ((1, 1, 5.0), (2,)), ((1, 1, 1), None), ((1, 3.5, 3.5), (1,))],
)
def test_which_slices(spacing: tuple[float, ...], axes: tuple[int, ...] | None) -> None:
    assert sliced_axes(spacing) == axes


def test_heads_pooled_in_the_plane_have_larger_pixels_there() -> None:
    loss = head((12, 48, 32), (2.0, 0.8, 0.8))
    logits, labels = patch(12, 24, 16)  # pooled by (1, 2, 2)
    oracle = CWMILoss(softmax=True, to_onehot_y=True, slice_dims=None, spacing=(2.0, 1.6, 1.6))
    torch.testing.assert_close(loss(logits, labels), oracle(logits, labels))


def test_regions_are_a_sigmoid_each() -> None:
    logits, labels = patch(32, 24)
    target = regions_of(labels, (1, 2), (2,), (1,))
    one = CWMILoss(sigmoid=True)
    apart = [one(logits[:, n : n + 1], target[:, n : n + 1].float()) for n in range(3)]
    loss = head((32, 24), has_regions=True)
    torch.testing.assert_close(loss(logits, target), torch.stack(apart).mean())


def test_a_single_region() -> None:
    logits, labels = patch(32, 24, classes=1)
    target = labels == 0
    torch.testing.assert_close(
        head((32, 24), has_regions=True)(logits, target), CWMILoss(sigmoid=True)(logits, target.float())
    )


@pytest.mark.parametrize("size", [(32, 24), (12, 24, 20)])
@pytest.mark.parametrize("regions", [0, 1, 2, 3, 4])
def test_what_is_ignored_changes_nothing(size: tuple[int, ...], regions: int) -> None:
    logits, labels = patch(*size, classes=regions or 3)
    ignored = patch(*size, classes=2, seed=1)[1].bool()  # (B, 1, spatial)
    target = labels.masked_fill(ignored, 3)
    if regions:
        target = torch.cat((regions_of(labels, (0,), (1, 2), (2, 3), (1,))[:, :regions], ignored), 1)
    loss = head(size, has_regions=regions > 0, ignore_label=3)
    value, slope = loss(logits, target), gradient(loss, logits, target)
    assert slope.abs().sum() > 0
    assert not slope.masked_select(ignored).any()

    elsewhere = logits.detach().masked_fill(ignored, torch.nan).requires_grad_()
    assert loss(elsewhere, target) == value
    assert torch.equal(gradient(loss, elsewhere, target), slope)
    if regions:  # what nnU-Net finds of a region where voxels are ignored is of no account
        assert loss(logits, torch.cat((target[:, :-1] ^ ignored, ignored), 1)) == value


def test_ignored_voxels_of_regions_by_hand() -> None:
    target = torch.tensor([[[1, 0, 1, 0]], [[1, 1, 0, 0]], [[0, 0, 1, 1]]]).bool()[None]
    assert ignored_as_value(target).tolist() == [[[[1, 0, -1, -1]], [[1, 1, -1, -1]]]]


@pytest.mark.parametrize("has_regions", [False, True])
def test_a_patch_without_a_voxel_that_counts_teaches_nothing(has_regions: bool) -> None:
    logits, labels = patch(32, 24)
    target = torch.full_like(labels, 3)
    if has_regions:
        target = torch.cat((torch.zeros(2, 3, 32, 24), torch.ones(2, 1, 32, 24)), 1).bool()
    slope = gradient(head((32, 24), has_regions=has_regions, ignore_label=3), logits, target)
    assert not slope.any()  # and no NaN, which would count as True


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 5), (2, 2, 2), (4, 5, 4), (3, 5, 1)])
@pytest.mark.parametrize("spacing", [1.0, 5.0])
def test_the_lowest_heads(size: tuple[int, ...], spacing: float) -> None:
    logits, labels = patch(*size)
    loss = head(tuple(8 * n for n in size), (spacing, *[1.0] * (len(size) - 1)))
    slope = gradient(loss, logits, labels)
    assert slope.isfinite().all()
    assert slope.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_inside_autocast(dtype: torch.dtype) -> None:
    logits, labels = patch(32, 24)
    rounded = logits.detach().to(dtype)
    loss = head((32, 24))
    expected = loss(rounded.float(), labels)
    with torch.autocast("cpu", torch.bfloat16):
        result = loss(rounded, labels)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected)


def test_a_loss_beside_it_sees_nnunets_own_target() -> None:
    logits, labels = patch(32, 24)
    target = torch.cat((regions_of(labels, (1, 2), (2,), (1,)), labels == 0), 1)

    class Beside(nn.Module):
        def forward(self, output: Tensor, given: Tensor) -> Tensor:
            assert given is target
            return output.mean()

    options: dict[str, Any] = {"has_regions": True, "ignore_label": 3}
    together = head((32, 24), beside=Beside(), **options)
    torch.testing.assert_close(together(logits, target), head((32, 24), **options)(logits, target) + logits.mean())


def test_without_information_cross_entropy_is_left() -> None:
    logits, labels = patch(32, 24)
    loss = head((32, 24), lambda_dice=0.0, lambda_residual=0.0, weight=None)
    loss.cwmi.lambda_mi = 0.0
    torch.testing.assert_close(loss(logits, labels), nn.functional.cross_entropy(logits, labels[:, 0].long()))


def test_spacing_for_each_axis() -> None:
    with pytest.raises(ValueError, match=r"spacing must have a number for each axis of \(8, 8, 8\), got \(1.0, 1.0\)"):
        HeadLoss((8, 8, 8), (1.0, 1.0), has_regions=False, ignore_label=None)
    with pytest.raises(ValueError, match="lambda_mi"):
        head((8, 8), lambda_mi=-1.0)


def test_labels_beyond_the_channels_are_named() -> None:
    logits, labels = patch(32, 24)
    with pytest.raises(ValueError, match="class indices from 0 to 3"):
        head((32, 24))(logits, labels.masked_fill(labels == 2, 3))
