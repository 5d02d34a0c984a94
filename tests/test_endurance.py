"""Long runs, threads, processes and copies: what a loss meets in a training job and not in a single call."""

from __future__ import annotations

import copy
import gc
import io
import multiprocessing
import os
import pickle
import random
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from monai_cwmi import CWMILoss
from monai_cwmi.bands.table_cache import TableCache

pytestmark = pytest.mark.slow

MEGABYTE = 2**20


def small_network(dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 3, padding=1)
    return torch.nn.Sequential(*layers).to(dtype)


def batch(shape: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Noisy images and the masks in them."""
    generator = torch.Generator().manual_seed(seed)
    target = (torch.rand(shape, generator=generator) > 0.6).to(dtype)
    return target + 0.5 * torch.randn(shape, dtype=dtype, generator=generator), target


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory in use as Linux tells it")
def test_memory_stays_flat_over_a_thousand_steps_at_changing_sizes(empty_cache: TableCache) -> None:
    # No convolution: torch keeps something of each size that it has convolved, more than the loss does.
    network, loss = torch.nn.PReLU(), CWMILoss(sigmoid=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    chance = random.Random(0)
    memory = {}
    # A step asks for tables twice, so that after 500 steps tables go as others come.
    for step in range(1, 1601):
        image, target = batch((chance.randint(1, 2), 1, chance.randint(16, 48), chance.randint(16, 48)), step)
        optimizer.zero_grad()
        loss(network(image), target).backward()
        optimizer.step()
        if step in (600, 1600):
            memory[step] = resident_bytes()
            assert 300 < len(empty_cache) <= 501
            assert empty_cache.nbytes < 20 * MEGABYTE
    assert network.weight.isfinite().all()
    assert memory[1600] - memory[600] < 6 * MEGABYTE  # a step's images are 18 kB, its tables 36 kB on average


def value_and_gradient(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    image, target = batch(shape, dtype=torch.float64)
    logits = image.requires_grad_()
    value = CWMILoss(sigmoid=True, reduction="sum")(logits, target)
    return value.detach(), torch.autograd.grad(value, logits)[0]


def test_threads_do_not_disturb_each_other(empty_cache: TableCache) -> None:
    threads = 8
    shared = (2, 1, 40, 56)  # which all ask for at once, before it is in the cache
    shapes = [[shared, *((1 + n % 2, 1, 20 + 3 * n, 24 + 5 * i) for i in range(4))] * 2 for n in range(threads)]
    barrier = threading.Barrier(threads)

    def work(own: list[tuple[int, ...]]) -> list[tuple[Tensor, Tensor]]:
        torch.set_num_threads(1)
        barrier.wait(timeout=60)
        return [value_and_gradient(shape) for shape in own]

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(work, shapes))
    assert len(empty_cache) == 1 + 4 * threads  # made once each
    for own, results in zip(shapes, found, strict=True):
        for shape, result in zip(own, results, strict=True):
            torch.testing.assert_close(result, value_and_gradient(shape), rtol=1e-12, atol=1e-12)


def _value_in_a_worker(shape: tuple[int, ...]) -> float:
    image, target = batch(shape)
    with torch.no_grad():
        return float(CWMILoss(sigmoid=True)(image, target))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs a system that forks")
def test_a_forked_worker_gets_the_same_value() -> None:
    used, new = (2, 1, 30, 44), (1, 1, 31, 45)
    expected = _value_in_a_worker(used)  # the tables of this size are in the cache when the worker starts
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_value_in_a_worker, (used,)).get(timeout=60) == expected
        found = pool.apply_async(_value_in_a_worker, (new,)).get(timeout=60)
    assert found == _value_in_a_worker(new)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_training_may_follow_validation_at_the_same_size(
    mode: Callable[[], AbstractContextManager[None]], empty_cache: TableCache
) -> None:
    shape = (2, 1, 24, 40)
    network, loss = small_network(), CWMILoss(sigmoid=True)
    image, target = batch(shape)
    with mode():  # the first call: it fills the cache
        validation = loss(network(image), target)
    value = loss(network(image), target)
    value.backward()
    assert len(empty_cache) == 1
    assert value.item() == validation.item()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


DDP_SHAPE = (4, 1, 32, 40)


def _ddp_worker(rank: int, port: int, folder: str) -> None:
    """One of two processes: its half of the batch, and the gradients that both agree on."""
    torch.set_num_threads(1)
    limit = timedelta(seconds=60)  # rather an error than a wait without end
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2, timeout=limit)
    try:
        network = DistributedDataParallel(small_network(torch.float64))
        image, target = (t.chunk(2)[rank] for t in batch(DDP_SHAPE, dtype=torch.float64))
        value = CWMILoss(sigmoid=True)(network(image), target)
        value.backward()
        torch.save((value.detach(), [p.grad for p in network.parameters()]), f"{folder}/rank{rank}.pt")
        dist.barrier()
    finally:
        dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="needs torch.distributed")
def test_two_processes_get_the_gradient_of_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    spawn(_ddp_worker, args=(port, str(tmp_path)), nprocs=2)
    network = small_network(torch.float64)
    image, target = batch(DDP_SHAPE, dtype=torch.float64)
    value = CWMILoss(sigmoid=True)(network(image), target)
    expected = torch.autograd.grad(value, list(network.parameters()))
    halves = [torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1)]
    assert halves[0][0] != halves[1][0]  # they saw different images
    torch.testing.assert_close((halves[0][0] + halves[1][0]) / 2, value.detach())
    for _, gradients in halves:
        torch.testing.assert_close(gradients, list(expected), rtol=1e-5, atol=1e-12)


def test_copies_of_a_used_loss_carry_no_tables() -> None:
    loss = CWMILoss(sigmoid=True, weight=[2.0])
    image, target = batch((1, 1, 200, 200))
    expected = loss(image, target)
    pickled = pickle.dumps(loss)
    assert len(pickled) < 10_000
    buffer = io.BytesIO()
    torch.save(loss, buffer)
    buffer.seek(0)
    for other in (pickle.loads(pickled), torch.load(buffer, weights_only=False), copy.copy(loss)):
        assert torch.equal(other(image, target), expected)


def test_it_adds_nothing_to_the_state_of_a_network_that_holds_it() -> None:
    with_loss = torch.nn.ModuleDict({"network": small_network(), "loss": CWMILoss(sigmoid=True, weight=[2.0])})
    without = torch.nn.ModuleDict({"network": small_network()})
    assert with_loss.state_dict().keys() == without.state_dict().keys()
    with_loss.load_state_dict(without.state_dict())  # strict: a checkpoint from before the loss was there
    assert not CWMILoss().load_state_dict({}).missing_keys


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_moving_the_loss_changes_no_value(dtype: torch.dtype) -> None:
    image, target = batch((2, 1, 24, 40))
    loss = CWMILoss(sigmoid=True, weight=[2.0])
    expected = loss(image, target)
    moved = copy.deepcopy(loss).to("cpu").to(dtype)  # as a trainer moves all modules; its weights are exact in halves
    assert torch.equal(moved(image, target), expected)
