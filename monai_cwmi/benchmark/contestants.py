"""The steps that are measured: of CWMI, of MONAI's losses, of the Fourier transforms in CWMI, and of a network."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from monai.losses import DiceCELoss, FocalLoss, HausdorffDTLoss, SoftDiceclDiceLoss, TverskyLoss
from monai.networks import one_hot
from monai.networks.nets import BasicUNet, SegResNet
from monai.utils import optional_import
from torch import Tensor

from monai_cwmi.benchmark.contestant_names import (
    CWMI,
    CWMI_COMPILED,
    CWMI_PLANES,
    CWMI_REAL,
    CWMI_SLICES,
    FLOOR,
    INFORMATION,
    NETWORK,
    TEXTBOOK,
)
from monai_cwmi.benchmark.textbook import SubbandCWMILoss
from monai_cwmi.benchmark.workload import Workload
from monai_cwmi.functional import mutual_information
from monai_cwmi.losses import CWMILoss

BoundaryLoss, _has_boundary_loss = optional_import("monai.losses", name="BoundaryLoss")  # not in MONAI 1.6.0

Step = Callable[[], object]


def make_steps(workload: Workload, *, compiled: bool = False) -> dict[str, Step]:
    """All contestants, by name.

    A step is the forward and the backward pass of a loss, from the network's output and back to it, activation and
    one-hot encoding included. All losses compare all channels; apart from that they have their default options.

    Args:
        workload: What they work on.
        compiled: With a ``CWMILoss`` under ``torch.compile``.

    Returns:
        Functions to call without arguments: the floor first, the training step of a network last: of ``BasicUNet`` for
        images, of ``SegResNet`` for volumes.
    """
    data = _make_data(workload)
    activation, pyramid = _activation(workload), _pyramid(workload)
    losses: dict[str, torch.nn.Module] = {
        CWMI: CWMILoss(**activation, **pyramid),
        CWMI_REAL: CWMILoss(**activation, **pyramid, is_complex=False),
    }
    if workload.is_volume:
        plane = activation | {"num_levels": workload.num_levels}
        losses |= {CWMI_SLICES: CWMILoss(**plane), CWMI_PLANES: CWMILoss(**plane, slice_dims=(0, 1, 2))}
    if compiled:
        torch.compiler.reset()  # what was compiled for another size would make this one's shapes dynamic
        losses[CWMI_COMPILED] = torch.compile(CWMILoss(**activation, **pyramid))  # type: ignore[assignment]
    losses |= {
        TEXTBOOK: SubbandCWMILoss(**activation, **pyramid),
        "MONAI DiceCELoss": DiceCELoss(**activation),
        "MONAI SoftDiceclDiceLoss": SoftDiceclDiceLoss(**activation),
        "MONAI HausdorffDTLoss": HausdorffDTLoss(**activation, include_background=True),
    }
    if _has_boundary_loss:
        losses["MONAI BoundaryLoss"] = BoundaryLoss(**activation)
    # FocalLoss takes a sigmoid unless it is told otherwise.
    focal = {} if workload.classes == 1 else {"use_softmax": True, "to_onehot_y": True}
    losses["MONAI FocalLoss"] = FocalLoss(**focal)
    losses["MONAI TverskyLoss"] = TverskyLoss(**activation)
    return {
        FLOOR: _floor(data, workload),
        INFORMATION: _information(data, workload),
        **{name: _loss(loss, data, workload) for name, loss in losses.items()},
        NETWORK: _network(workload),
    }


def make_growth_steps(workload: Workload) -> dict[str, Step]:
    """The floor and ``CWMILoss``, as in :func:`make_steps`."""
    data = _make_data(workload)
    loss = CWMILoss(**_activation(workload), **_pyramid(workload))
    return {FLOOR: _floor(data, workload), CWMI: _loss(loss, data, workload)}


def _activation(workload: Workload) -> dict[str, Any]:
    return {"sigmoid": True} if workload.classes == 1 else {"softmax": True, "to_onehot_y": True}


def _pyramid(workload: Workload) -> dict[str, Any]:
    return {"num_levels": workload.num_levels, "num_orientations": workload.num_orientations, "slice_dims": None}


class _Data(NamedTuple):
    """A prediction and its target, which agree in large part.

    Attributes:
        logits: Output of a network, ``(B, C, spatial)``.
        target: Binary or class indices, ``(B, 1, spatial)``.
        channels: The target as a loss compares it, ``(B, C, spatial)``.
    """

    logits: Tensor
    target: Tensor
    channels: Tensor


def _make_data(workload: Workload) -> _Data:
    # Blobs: losses with distance transforms and skeletons are not meant for noise.
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(*workload.shape[:2], *(n // 16 + 2 for n in workload.size), generator=generator)
    blobs = F.interpolate(coarse, size=workload.size, mode="trilinear" if workload.is_volume else "bilinear")
    if workload.classes == 1:
        channels = target = (blobs > 0.5).to(workload.compute_dtype)
    else:
        target = blobs.argmax(1, keepdim=True)
        channels = one_hot(target, num_classes=workload.classes, dtype=workload.compute_dtype)
    logits = 2 * channels - 1 + torch.randn(workload.shape, generator=generator)
    target, channels = target.to(workload.device), channels.to(workload.device)
    return _Data(logits.to(workload.device, workload.dtype).requires_grad_(), target, channels)


def _floor(data: _Data, workload: Workload) -> Step:
    image, axes = data.channels, tuple(range(2, 2 + len(workload.size)))
    spectrum = torch.fft.rfftn(image, dim=axes, norm="ortho")

    def step() -> Tensor:
        torch.fft.rfftn(image, dim=axes, norm="ortho")
        torch.fft.rfftn(image, dim=axes, norm="ortho")
        return torch.fft.irfftn(spectrum, s=workload.size, dim=axes, norm="ortho")

    return step


def _information(data: _Data, workload: Workload) -> Step:
    logits = data.logits.detach()
    probabilities = (logits.sigmoid() if workload.classes == 1 else logits.softmax(1)).requires_grad_()

    def step() -> object:
        with workload.autocast():
            information = mutual_information(probabilities, data.channels, **_pyramid(workload)).sum()
        return torch.autograd.grad(information, probabilities)

    return step


def _loss(loss: torch.nn.Module, data: _Data, workload: Workload) -> Step:
    loss.to(workload.device)

    def step() -> object:
        with workload.autocast():
            value = loss(data.logits, data.target)
        return torch.autograd.grad(value, data.logits)

    return step


def _network(workload: Workload) -> Step:
    network: torch.nn.Module
    if workload.is_volume:
        network = SegResNet(spatial_dims=3, in_channels=1, out_channels=workload.classes, init_filters=16)
    else:
        with contextlib.redirect_stdout(io.StringIO()):  # MONAI 1.6.0 prints its features
            network = BasicUNet(spatial_dims=2, in_channels=1, out_channels=workload.classes)
    network.to(workload.device, workload.compute_dtype)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    image = torch.rand(workload.batch, 1, *workload.size, device=workload.device, dtype=workload.compute_dtype)

    def step() -> None:
        with workload.autocast():
            value = network(image).square().mean()
        value.backward()
        optimizer.step()
        optimizer.zero_grad()  # last, so that the gradients are memory of this step

    return step
