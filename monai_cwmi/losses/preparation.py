"""What every loss does before it computes anything: activation, one-hot target, ignored voxels, checks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

_SLACK = 1e-3  # resampled or half-precision probabilities overshoot this much


class Prepared(NamedTuple):
    """Prediction and target of one shape, in float32 or float64.

    Attributes:
        logits: The network's output, ``(B, C, spatial)``; 0 where voxels do not count.
        probabilities: The same after the activation.
        target: One-hot or binary target, ``(B, C, spatial)``, values in [0, 1]; 0 where voxels do not count.
        mask: ``(B, 1, spatial)``, true where voxels count; ``None`` where all do.
        is_exclusive: True when the channels are classes of which a voxel has one: a softmax over several channels.
        compared: The channels to compare: all of them, or all but the background.
        from_sigmoid: Whether the probabilities are a sigmoid of the logits.
        resolution: Step of the numbers that the prediction came in. Probabilities without logits count as no closer to
            0 than this.
    """

    logits: Tensor
    probabilities: Tensor
    target: Tensor
    mask: Tensor | None
    is_exclusive: bool
    compared: slice
    from_sigmoid: bool
    resolution: float


@dataclass(frozen=True)
class Preparation:
    """Options that all losses share, in MONAI's vocabulary, and what they mean.

    Args:
        include_background: If False, channel 0 is not among the channels to compare.
        to_onehot_y: Whether the target holds class indices ``(B, 1, spatial)``.
        sigmoid: Apply a sigmoid to the prediction.
        softmax: Apply a softmax over the channels of the prediction.
        other_act: Another activation, applied to the prediction.
        ignore_index: Voxels of this class, or with this label in any channel of the target, do not count. After
            softmax, an index that is no channel of a one-hot target stands for voxels without any class too.

    Raises:
        TypeError: When ``other_act`` is not callable.
        ValueError: When more than one activation is asked for.
    """

    include_background: bool = True
    to_onehot_y: bool = False
    sigmoid: bool = False
    softmax: bool = False
    other_act: Callable[[Tensor], Tensor] | None = None
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        if self.other_act is not None and not callable(self.other_act):
            raise TypeError(f"other_act must be None or callable but is {type(self.other_act).__name__}.")
        if self.sigmoid + self.softmax + (self.other_act is not None) > 1:
            raise ValueError("Incompatible values: more than 1 of [sigmoid=True, softmax=True, other_act is not None].")

    def __call__(self, input: Tensor, target: Tensor) -> Prepared:
        """Prepare a prediction and a target.

        Args:
            input: ``(B, C, spatial)``, floating point.
            target: ``(B, C, spatial)`` or, with ``to_onehot_y``, ``(B, 1, spatial)``; any dtype.

        Raises:
            AssertionError: When the shapes do not fit.
            ValueError: When the input is empty. On the CPU also when values are not what the options say they are: a
                class index out of range, a target or a prediction without activation outside [0, 1]. On a GPU that
                check would stall every step: a bad class index ends in the device's own assertion, other bad values in
                a NaN loss.
            TypeError: When the input is not of floating point.
        """
        logits = _plain(input)
        if not logits.is_floating_point():
            raise TypeError(f"input must be of floating point, got {input.dtype}.")
        if logits.numel() == 0:
            raise ValueError(f"input is empty: its shape is {tuple(input.shape)}.")
        logits = logits if logits.dtype == torch.float64 else logits.float()
        labels = _plain(target).detach()
        channels = logits.shape[1]
        if channels == 1 and not torch.compiler.is_compiling():
            self._warn_of_ignored_options()
        if logits.ndim != labels.ndim:
            advice = advice_on_heads(input, target)
            raise AssertionError(
                f"ground truth has different shape ({target.shape}) from input ({input.shape}){advice}"
            )

        is_exclusive = self.softmax and channels > 1
        mask = self._mask(labels, is_exclusive)
        if self.to_onehot_y and channels > 1:
            labels = self._one_hot(labels, channels, mask)
        if labels.shape != logits.shape:
            raise AssertionError(f"ground truth has different shape ({labels.shape}) from input ({input.shape})")
        labels = labels.to(logits.dtype)
        if mask is not None:
            # What does not count may be anything, NaN included.
            labels, logits = torch.where(mask, labels, 0.0), torch.where(mask, logits, 0.0)
        _check_range(labels, "target", "Give class indices with to_onehot_y=True, or scale a mask of 0 and 255.")
        if not _values_can_be_read(labels):
            labels = torch.where(_is_in_range(labels), labels, torch.nan)

        probabilities = self._activate(logits, is_exclusive)
        if probabilities is logits or self.other_act is not None:
            _check_range(probabilities, "input", "Logits need sigmoid=True, softmax=True or other_act.")
            # Rounding may go beyond [0, 1] a little; what is further off shall not pass on a GPU either.
            # Not clamp: from torch 2.15 on it has no gradient at 0 and 1 themselves, where sure mistakes need one.
            limited = torch.where(probabilities < 0, 0.0, torch.where(probabilities > 1, 1.0, probabilities))
            probabilities = torch.where(_is_in_range(probabilities), limited, torch.nan)
        compared = slice(None) if self.include_background or channels == 1 else slice(1, None)
        resolution = torch.finfo(input.dtype).eps
        return Prepared(logits, probabilities, labels, mask, is_exclusive, compared, self.sigmoid, resolution)

    def _mask(self, labels: Tensor, is_exclusive: bool) -> Tensor | None:
        if self.ignore_index is None:
            return None
        from monai.metrics.utils import create_ignore_mask  # at the top it would take seconds to import

        labels = labels.float()
        is_channel = 0 <= self.ignore_index < labels.shape[1]
        if labels.shape[1] == 1 or is_channel:
            return create_ignore_mask(labels, self.ignore_index).bool()
        mask = (labels != self.ignore_index).all(1, keepdim=True)
        # MONAI's rule, which would drop the whole background where channels are not exclusive.
        return mask & create_ignore_mask(labels, self.ignore_index).bool() if is_exclusive else mask

    def _activate(self, logits: Tensor, is_exclusive: bool) -> Tensor:
        if is_exclusive:
            return torch.softmax(logits, dim=1)
        if self.sigmoid:
            return torch.sigmoid(logits)
        return logits if self.other_act is None else self.other_act(logits)

    def _one_hot(self, labels: Tensor, channels: int, mask: Tensor | None) -> Tensor:
        if labels.shape[1] != 1:
            raise AssertionError(f"to_onehot_y needs class indices with one channel, got the shape {labels.shape}.")
        if not labels.is_floating_point():
            labels = labels.long()
        if mask is not None:
            labels = torch.where(mask, labels, torch.zeros_like(labels))
        if _values_can_be_read(labels):
            low, high = (value.item() for value in labels.aminmax())
            if low < 0 or high >= channels:
                raise ValueError(f"target has class indices from {low} to {high}, but input has {channels} channels.")
            if labels.is_floating_point() and bool((labels != labels.round()).any()):
                raise ValueError("target has class indices that are not whole numbers: was it resampled smoothly?")
        from monai.networks import one_hot  # at the top it would take seconds to import

        return one_hot(labels, num_classes=channels)

    def _warn_of_ignored_options(self) -> None:
        for name, is_set in (
            ("softmax=True", self.softmax),
            ("to_onehot_y=True", self.to_onehot_y),
            ("include_background=False", not self.include_background),
        ):
            if is_set:
                warnings.warn(f"single channel prediction, `{name}` ignored.", stacklevel=4)


def advice_on_heads(input: Tensor, target: Tensor) -> str:
    """What to do about an input that may hold heads of deep supervision in one tensor, as DynUNet's; else nothing."""
    if input.ndim != target.ndim + 1:
        return ""
    return (
        ". If the input's axis 1 holds heads of deep supervision, as DynUNet's does, they are a list for MONAI's "
        "DeepSupervisionLoss: DeepSupervisionLoss(loss)(list(input.unbind(1)), target)"
    )


def _plain(tensor: Tensor) -> Tensor:
    # MONAI's trainers hand over MetaTensors, which are slow in small operations and break torch.compile.
    return tensor if type(tensor) is Tensor else tensor.as_subclass(Tensor)


def _values_can_be_read(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.numel() > 0 and not torch.compiler.is_compiling()


def _is_in_range(values: Tensor) -> Tensor:
    return (values - 0.5).abs() <= 0.5 + _SLACK


def _check_range(values: Tensor, name: str, advice: str) -> None:
    if _values_can_be_read(values):
        low, high = (value.item() for value in values.detach().aminmax())
        if low < -_SLACK or high > 1 + _SLACK:
            raise ValueError(f"{name} must lie in [0, 1], but ranges from {low:g} to {high:g}. {advice}")
