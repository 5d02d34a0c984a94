"""nnU-Net v2: CWMI in the form that nnU-Net calls a loss, and the folder of trainers that use it.

nnU-Net is the extra ``monai-cwmi[nnunet]``. This package imports without it; the trainers do not.
"""

from monai_cwmi.nnunet.folder import nnunet_problem, trainers_folder
from monai_cwmi.nnunet.losses import HeadLoss

__all__ = ["HeadLoss", "nnunet_problem", "trainers_folder"]
