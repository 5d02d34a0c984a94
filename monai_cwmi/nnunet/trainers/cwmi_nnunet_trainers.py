"""Trainers for nnU-Net v2: ``nnUNetv2_train DATASET CONFIGURATION FOLD -tr nnUNetTrainerCWMILoss``.

nnU-Net imports this file by its bare name, which therefore is one that nothing else has.
"""

from __future__ import annotations

from typing import Any, ClassVar

from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from monai_cwmi.nnunet.losses import HeadLoss


class nnUNetTrainerCWMILoss(nnUNetTrainer):  # noqa: N801 (nnU-Net's way to name trainers)
    """nnU-Net with :class:`monai_cwmi.CWMILoss` in place of its Dice and cross-entropy; all else is nnU-Net's own.

    Attributes:
        loss_options: Weights and other options of the loss, for example ``{"lambda_mi": 0.25}``. To change them, derive
            a trainer.
        warm_up_epochs: How many epochs train without the information. Only the published loss needs any. They go by
            nnU-Net's number of the epoch, so a training continued with ``--c`` keeps its information.
    """

    loss_options: ClassVar[dict[str, Any]] = {}
    warm_up_epochs: ClassVar[int] = 0

    def _build_loss(self) -> nn.Module:
        loss = super()._build_loss()  # Dice and cross-entropy, in deep supervision's weights if there is any
        supervision = loss if isinstance(loss, DeepSupervisionWrapper) else None
        configuration = self.configuration_manager
        self.head_loss = HeadLoss(
            configuration.patch_size,
            configuration.spacing,
            has_regions=self.label_manager.has_regions,
            ignore_label=self.label_manager.ignore_label,
            beside=self._beside(loss if supervision is None else supervision.loss),
            **self.loss_options,
        )
        self.lambda_mi = self.head_loss.cwmi.lambda_mi
        if supervision is None:
            return self.head_loss
        supervision.loss = self.head_loss
        return supervision

    def _beside(self, nnunet_loss: nn.Module) -> nn.Module | None:
        """What is left of nnU-Net's own loss of a head."""
        return None

    def on_train_epoch_start(self) -> None:
        """Set the weight of the information for this epoch."""
        super().on_train_epoch_start()
        self.head_loss.cwmi.lambda_mi = self.lambda_mi if self.current_epoch >= self.warm_up_epochs else 0.0
        weights = ", ".join(f"{name} {weight:g}" for name, weight in self.head_loss.cwmi.weights.items())
        self.print_to_log_file(f"Weights of the terms: {weights}")


class nnUNetTrainerDiceCECWMILoss(nnUNetTrainerCWMILoss):  # noqa: N801
    """nnU-Net with its own Dice and cross-entropy and, beside them, what CWMI makes of the bands.

    Attributes:
        loss_options: As in :class:`nnUNetTrainerCWMILoss`, without the loss's own cross-entropy and Dice.
    """

    loss_options: ClassVar[dict[str, Any]] = {"lambda_ce": 0.0, "lambda_dice": 0.0}

    def _beside(self, nnunet_loss: nn.Module) -> nn.Module:
        return nnunet_loss
