from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_cwmi.training.files import save_whole


def test_the_file_can_be_loaded_safely(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "weights.pt"
    save_whole({"a": torch.arange(3)}, path)
    assert torch.equal(torch.load(path, weights_only=True)["a"], torch.arange(3))
    assert [path.name for path in path.parent.iterdir()] == ["weights.pt"]


def test_an_interruption_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pt"
    save_whole({"a": 1}, path)

    def interrupted(_content: Any, file: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(torch, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save_whole({"a": 2}, path)
    assert torch.load(path, weights_only=True) == {"a": 1}
    save_whole({"a": 3}, path)
    assert torch.load(path, weights_only=True) == {"a": 3}
