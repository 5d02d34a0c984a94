"""The command for several machines in docs/how-to/multi-gpu.md runs as two launchers on one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from .commands import shortened
from .pages import find_blocks, find_commands

pytestmark = pytest.mark.slow

PAGE = "docs/how-to/multi-gpu.md"
BUNDLE = "myelin_sem_segmentation"


def test_two_launchers_train_together(repository: Path, tmp_path: Path) -> None:
    (command,) = (c for block in find_blocks(PAGE) for c in find_commands(block) if "--nnodes=2" in c)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    save = "$torch.save(@network.module.state_dict(), @bundle_root + '/rank' + str(dist.get_rank()) + '.pt')"
    for printed, here in {
        "first-machine:29500": f"127.0.0.1:{port}",
        "--nproc_per_node=4": "--nproc_per_node=1",
        "multi_gpu_train.json'": "multi_gpu_train.json','configs/save.json'",
    }.items():
        assert printed in command
        command = command.replace(printed, here)
    words = [sys.executable, "-m", "torch.distributed.run", *shortened(command, BUNDLE)[1:]]
    nodes = [tmp_path / "first", tmp_path / "second"]
    for node in nodes:
        shutil.copytree(repository / "bundles" / BUNDLE, node)
        (node / "configs" / "save.json").write_text(json.dumps({"+run": [save]}))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    launchers = [subprocess.Popen(words, cwd=node, env=environment) for node in nodes]
    try:
        assert [launcher.wait(timeout=120) for launcher in launchers] == [0, 0]
    finally:
        for launcher in launchers:
            launcher.terminate()  # which ends its processes; nothing where it has ended
    # One process on each, which agree on the weights; the first alone keeps the model.
    ranks = {path.name: path for node in nodes for path in node.glob("rank*.pt")}
    assert sorted(ranks) == ["rank0.pt", "rank1.pt"]
    first, second = (torch.load(ranks[name], weights_only=True) for name in ("rank0.pt", "rank1.pt"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert (ranks["rank0.pt"].parent / "models" / "model.pt").is_file()
    assert not (ranks["rank1.pt"].parent / "models" / "model.pt").exists()
