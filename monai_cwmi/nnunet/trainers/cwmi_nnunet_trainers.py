"""Trainers for nnU-Net v2: ``nnUNetv2_train DATASET CONFIGURATION FOLD -tr nnUNetTrainerCWMILoss``.

nnU-Net imports this file by its bare name, which therefore is one that nothing else has.
"""

from __future__ import annotations

from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from monai_cwmi.nnunet.losses import HeadLoss


class nnUNetTrainerCWMILoss(nnUNetTrainer):  # noqa: N801 (nnU-Net's way to name trainers)
    """nnU-Net with cross-entropy and CWMI in place of Dice and cross-entropy; all else is nnU-Net's own.

    The first epoch of a training trains without the information: which side is foreground must be known first. This
    goes by nnU-Net's number of the epoch. A training continued with ``--c`` thus keeps its information, and one that
    starts with ``-pretrained_weights``, which come without the last layers, has a first epoch like any other.

    Attributes:
        lambda_ce: Weight of the cross-entropy of :class:`monai_cwmi.CWMILoss`. To change it, derive a trainer.
        lambda_mi: Weight of the information from the second epoch on.
    """

    lambda_ce = 0.9
    lambda_mi = 1.0

    def _build_loss(self) -> nn.Module:
        loss = super()._build_loss()  # Dice and cross-entropy, in deep supervision's weights if there is any
        supervision = loss if isinstance(loss, DeepSupervisionWrapper) else None
        configuration = self.configuration_manager
        self.head_loss = HeadLoss(
            configuration.patch_size,
            configuration.spacing,
            has_regions=self.label_manager.has_regions,
            ignore_label=self.label_manager.ignore_label,
            lambda_ce=self.lambda_ce,
            lambda_mi=self.lambda_mi,
            beside=self._beside(loss if supervision is None else supervision.loss),
        )
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
        self.head_loss.cwmi.lambda_mi = self.lambda_mi if self.current_epoch > 0 else 0.0
        weights = ", ".join(f"{name} {weight:g}" for name, weight in self.head_loss.cwmi.weights.items())
        self.print_to_log_file(f"Weights of the terms: {weights}")


class nnUNetTrainerDiceCECWMILoss(nnUNetTrainerCWMILoss):  # noqa: N801
    """nnU-Net with its own Dice and cross-entropy, less the information of CWMI; all else is nnU-Net's own.

    The first epoch trains without the information, as in :class:`nnUNetTrainerCWMILoss`.

    Attributes:
        lambda_ce: Weight of a further cross-entropy; nnU-Net's loss has one already.
        lambda_mi: Weight of the information from the second epoch on.
    """

    lambda_ce = 0.0

    def _beside(self, nnunet_loss: nn.Module) -> nn.Module:
        return nnunet_loss
