"""What training needs beyond MONAI's own handlers: weights to start from, and runs that survive an interruption."""

from monai_cwmi.training.best import KeepBest
from monai_cwmi.training.checkpoints import describe_model, freeze, load_pretrained
from monai_cwmi.training.resuming import RunState, read_run
from monai_cwmi.training.seeding import EpochSeeder

__all__ = ["EpochSeeder", "KeepBest", "RunState", "describe_model", "freeze", "load_pretrained", "read_run"]
