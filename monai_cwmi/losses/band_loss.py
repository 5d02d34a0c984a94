"""What the losses that compare bands share: a sum of weighted terms, each of which has a name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_cwmi.bands.spec import BandOptions
from monai_cwmi.bands.volumes import views
from monai_cwmi.bands.voxel_sizes import voxel_sizes
from monai_cwmi.functional import MomentsFunction, measure_bands
from monai_cwmi.losses.cross_entropy import cross_entropy
from monai_cwmi.losses.preparation import Preparation, Prepared, advice_on_heads
from monai_cwmi.losses.terms import check_reduction, dice_loss, reduced
from monai_cwmi.losses.voxel_sums import voxel_sums
from monai_cwmi.measures import Measure, MomentMeasure

Spacing = Sequence[float] | Literal["affine"] | None
ClassWeight = Sequence[float] | Tensor | Literal["balanced", "sqrt_balanced"] | None

# Exponents of the weights that each image's class counts give.
_BALANCE = {"balanced": 1.0, "sqrt_balanced": 0.5}


class BandLoss(_Loss):
    """Cross-entropy, Dice and measures of the bands of prediction and target, each with a weight of its own.

    A measure's term is its mean over the levels that count (of distances, which add up, the sum). A term's weight is a
    plain attribute, which a scheduler may set between steps; a term of weight 0 is not computed. Subclasses set
    ``lambda_ce``, ``lambda_dice`` and the attributes that ``measures`` names.

    Args:
        prepare: What is done to predictions and targets first.
        options: How images are split into bands.
        measures: The measures, by the name of the attribute that is their weight.
        class_weight: Of the cross-entropy, as in :class:`monai_cwmi.CWMILoss`.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        spacing: Size of a voxel, or ``"affine"``.
        levels: Which levels count, from 1; ``None`` for all.

    Raises:
        ValueError: When an option is out of its range.
    """

    moments_of: MomentsFunction | None = None  # the one that suits the pyramid
    lambda_ce: float
    lambda_dice: float

    def __init__(
        self,
        prepare: Preparation,
        options: BandOptions,
        measures: Mapping[str, Measure],
        *,
        class_weight: ClassWeight,
        reduction: str,
        spacing: Spacing,
        levels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(reduction=check_reduction(reduction))
        views(2 if options.slice_dims is None else 3, options)  # which checks them
        self.prepare = prepare
        self.options = options
        self.measures = dict(measures)
        self.spacing = spacing
        self.levels = _check_levels(levels, options.num_levels)
        self.balance = _BALANCE.get(class_weight, 0.0) if isinstance(class_weight, str) else 0.0
        self.class_weight: Tensor | None
        self.register_buffer("class_weight", _class_weight(class_weight), persistent=False)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each term, by its name."""
        weights = {"cross_entropy": self.lambda_ce, "dice": self.lambda_dice}
        for attribute, measure in self.measures.items():
            names = measure.parts or (measure.name,)
            weights |= dict.fromkeys(names, getattr(self, attribute) / len(names))
        return weights

    @property
    def signs(self) -> dict[str, int]:
        """Of each term, by its name: 1 where more is better, -1 where less is."""
        signs = {"cross_entropy": -1, "dice": -1}
        for measure in self.measures.values():
            signs |= dict.fromkeys(measure.parts or (measure.name,), measure.sign)
        return signs

    def extra_repr(self) -> str:
        """The weights of the terms, and what is done to the prediction first, for logs."""
        weights = {name: getattr(self, name) for name in ("lambda_ce", "lambda_dice", *self.measures)}
        activations = [name for name in ("sigmoid", "softmax", "other_act") if getattr(self.prepare, name)]
        return ", ".join([*activations, *(f"{name}={value:g}" for name, value in weights.items())])

    def forward(self, input: Tensor, target: Tensor, spacing: Spacing = None) -> Tensor:
        """Compute the loss.

        Args:
            input: ``(B, C, H, W)`` or ``(B, C, H, W, D)``, logits or probabilities, of any floating-point dtype.
            target: The same shape, or with one channel with ``to_onehot_y``; any dtype. No gradient flows to it.
            spacing: In place of that of the constructor, for this batch.

        Returns:
            A number, or ``(B, C)`` with ``reduction="none"`` (``C - 1`` channels without the background), in float32,
            or float64 for float64 input. It is NaN where the prediction is.

        Raises:
            AssertionError: When the shapes do not fit.
            TypeError: When the input is not of floating point.
            ValueError: When images have not two or three axes, ``spacing`` not a number for each of them, ``weight``
                not ``C`` values, or values are not what the options say (see
                :class:`monai_cwmi.losses.preparation.Preparation`).
        """
        spacings = self._spacings(input, target, spacing)
        prepared = self.prepare(input, target)
        shape = prepared.target[:, prepared.compared].shape[:2]  # (B, C)
        terms = []  # (B, C) each
        weights = {"cross_entropy": self.lambda_ce, "dice": self.lambda_dice}
        if any(weights.values()):
            of_voxels = self._of_voxels(prepared)
            terms += [weight * of_voxels[name].expand(shape) for name, weight in weights.items() if weight]
        weighed = {m: getattr(self, name) for name, m in self.measures.items() if getattr(self, name)}
        for measure, images in self._measure(list(weighed), prepared, spacings).items():
            term = torch.cat([self._over_levels(measure, levels) for levels in images])
            terms.append(-measure.sign * weighed[measure] * term)
        # Where all weights are 0, the loss is still a function of the input.
        loss = (
            torch.stack(terms).sum(0) if terms else prepared.probabilities[:, prepared.compared].flatten(2)[..., 0] * 0
        )
        return reduced(loss, self.reduction)

    def terms(self, input: Tensor, target: Tensor, spacing: Spacing = None) -> dict[str, Tensor]:
        """Compute the terms of the loss by themselves, whatever their weights are.

        Args:
            input: As in :meth:`forward`, and so the rest.
            target: Target.
            spacing: Size of a voxel.

        Returns:
            The terms by name, each differentiable in the input: ``cross_entropy``, ``(B, 1)`` of exclusive classes,
            else ``(B, C)``, in nats a voxel; ``dice`` and the errors of the two residual bands, ``(B, C)``; and
            measures of the levels, ``(N, B, C)``, finest first. They are NaN at a level that an image's size and
            spacing have no room for while another's of the batch have.

        Raises:
            AssertionError: As :meth:`forward`, and so the rest.
            TypeError: As above.
            ValueError: As above.

        Example:
            >>> from monai_cwmi import CWMILoss
            >>> logits, labels = torch.randn(2, 3, 64, 64), torch.randint(0, 3, (2, 1, 64, 64))
            >>> terms = CWMILoss(softmax=True, to_onehot_y=True).terms(logits, labels)
            >>> list(terms)
            ['cross_entropy', 'dice', 'mutual_information', 'highpass_error', 'lowpass_error']
            >>> terms["mutual_information"].shape
            torch.Size([4, 2, 3])
        """
        spacings = self._spacings(input, target, spacing)
        prepared = self.prepare(input, target)
        terms = self._of_voxels(prepared)
        for measure, images in self._measure(list(self.measures.values()), prepared, spacings).items():
            most = max(len(levels) for levels in images)
            padded = [F.pad(levels, (0, 0, 0, 0, 0, most - len(levels)), value=math.nan) for levels in images]
            values = torch.cat(padded, dim=1)
            terms |= dict(zip(measure.parts, values, strict=False)) if measure.parts else {measure.name: values}
        return terms

    def _spacings(self, input: Tensor, target: Tensor, spacing: Spacing) -> list[Sequence[float] | None]:
        if input.ndim not in (4, 5):
            name = type(self).__name__
            raise ValueError(
                f"{name} compares images (B, C, H, W) or (B, C, H, W, D), got {tuple(input.shape)}"
                f"{advice_on_heads(input, target)}."
            )
        return voxel_sizes(input, target, self.spacing if spacing is None else spacing)

    def _of_voxels(self, prepared: Prepared) -> dict[str, Tensor]:
        """Cross-entropy, ``(B, 1)`` of exclusive classes, and Dice, ``(B, C)`` of the channels to compare."""
        sums = voxel_sums(prepared)
        entropy = cross_entropy(sums, weight=self.class_weight, balance=self.balance)
        return {
            "cross_entropy": entropy if prepared.is_exclusive else entropy[:, prepared.compared],
            "dice": dice_loss(sums)[:, prepared.compared],
        }

    def _measure(
        self, measures: list[Measure], prepared: Prepared, spacings: Sequence[Sequence[float] | None]
    ) -> dict[Measure, list[Tensor]]:
        """Each measure of all images at once, ``(N, B, C)``; where each has a spacing of its own, one after another."""
        if not measures:
            return {}
        prediction, target = (t[:, prepared.compared] for t in (prepared.probabilities, prepared.target))
        batches = [(prediction, target, prepared.mask)]
        if len(spacings) > 1:
            masks = [None] * len(spacings) if prepared.mask is None else prepared.mask.split(1)
            batches = list(zip(prediction.split(1), target.split(1), masks, strict=True))
        values = [
            measure_bands(p, y, measures, replace(self.options, spacing=size), mask=mask, moments_of=self.moments_of)
            for (p, y, mask), size in zip(batches, spacings, strict=True)
        ]
        return {measure: [of_batch[i] for of_batch in values] for i, measure in enumerate(measures)}

    def _over_levels(self, measure: Measure, values: Tensor) -> Tensor:
        """Mean or sum ``(B, C)`` of values ``(N, B, C)`` over the levels that count and fit; 0 without any."""
        if self.levels is not None and not (isinstance(measure, MomentMeasure) and measure.of_residuals):
            values = values[[level - 1 for level in self.levels if level <= len(values)]]
        return values.sum(0) if measure.adds_up else values.sum(0) / max(len(values), 1)


def _check_levels(levels: Sequence[int] | None, num_levels: int) -> tuple[int, ...] | None:
    if levels is None:
        return None
    if not levels or len(set(levels)) < len(levels) or not all(1 <= level <= num_levels for level in levels):
        raise ValueError(f"levels must be different numbers from 1 to num_levels = {num_levels}, got {levels!r}.")
    return tuple(levels)


def _class_weight(weight: ClassWeight) -> Tensor | None:
    if isinstance(weight, str):
        if weight not in _BALANCE:
            words = " or ".join(f'"{word}"' for word in _BALANCE)
            raise ValueError(f"weight must be values for each channel, {words}, or None, got {weight!r}.")
        return None
    if weight is None:
        return None
    values = torch.as_tensor(weight, dtype=torch.float32).detach().clone().reshape(-1)
    if not values.is_meta and not bool(((values >= 0) & values.isfinite()).all()):  # a meta tensor has no values
        raise ValueError(f"weight must not be negative, and finite, got {values.tolist()}.")
    return values
