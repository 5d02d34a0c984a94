"""Let torchvision be imported where its compiled operators cannot be loaded.

A package index may have torchvision built for CUDA only, whose operators do not load beside a torch for CPUs, and
torchvision then fails when it is imported. nnU-Net imports it for networks that are not used here. All that is missing
are the names of two operators, which are declared before the import; nothing calls them. Python runs a file of this
name when it starts, so that a folder on PYTHONPATH reaches nnU-Net's own commands.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any


class DeclareOperators(MetaPathFinder):
    """Finds nothing. When torchvision is looked for, it declares the operators."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            self.declare()
        return None

    def declare(self) -> None:
        import torch

        torchvision = importlib.util.find_spec("torchvision")
        if torchvision is None or torchvision.origin is None:
            return
        try:
            for library in Path(torchvision.origin).parent.glob("_C.*"):
                torch.ops.load_library(str(library))
        except OSError:
            for name in ("nms", "qnms"):
                if not hasattr(torch.ops.torchvision, name):  # an import that failed for another reason leaves them
                    torch.library.define(
                        f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                    )


sys.meta_path.insert(0, DeclareOperators())
