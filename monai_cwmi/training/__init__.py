"""What training needs beyond MONAI's own handlers: weights to start from, runs that survive an interruption, terms."""

from monai_cwmi.training.best import KeepBest
from monai_cwmi.training.checkpoints import describe_model, freeze, load_pretrained
from monai_cwmi.training.loss_terms import LossTermsHandler
from monai_cwmi.training.resuming import RunState, read_run
from monai_cwmi.training.seeding import EpochSeeder

__all__ = [
    "EpochSeeder",
    "KeepBest",
    "LossTermsHandler",
    "RunState",
    "describe_model",
    "freeze",
    "load_pretrained",
    "read_run",
]
