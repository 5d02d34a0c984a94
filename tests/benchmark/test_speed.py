from __future__ import annotations

import math
import time
from collections import Counter

import pytest
import torch

from benchmark.test_contestants import NAMES
from monai_cwmi.benchmark import measure_speed, speed
from monai_cwmi.benchmark.speed import _num_repeats, _turns, time_steps
from monai_cwmi.benchmark.workload import Workload

WORKLOAD = Workload(batch=1, size=(32, 32))


def test_every_contestant_is_measured_at_every_size() -> None:
    timings = measure_speed([(32, 32), (32, 48)], batch=1, classes=2, num_orientations=2, device="cpu", repeats=3)
    assert [timing.name for timing in timings] == 2 * NAMES
    for panel in (timings[: len(NAMES)], timings[len(NAMES) :]):
        floor, network = panel[0], panel[-1]
        assert floor.ratio == 1
        assert network.network_share == 1
        for timing in panel:
            assert timing.workload == panel[0].workload
            assert not timing.error
            assert len(timing.times) == 3
            assert min(timing.times) <= timing.median <= max(timing.times)
            assert 0 <= timing.spread <= max(timing.times) - min(timing.times)
            assert timing.ratio == pytest.approx(timing.median / floor.median)
            assert timing.network_share == pytest.approx(timing.median / network.median)
            assert timing.peak_bytes > 0
            assert timing.peak_multiple == timing.peak_bytes / (2 * 32 * timing.workload.size[1] * 4)
    assert {timing.workload.size[1] for timing in timings} == {32, 48}


def test_the_others_go_on_when_one_raises() -> None:
    calls = Counter[str]()

    def sometimes() -> None:
        calls["sometimes"] += 1
        if calls["sometimes"] == 5:  # past the warm-up
            raise MemoryError("out of\nmemory")

    def never() -> None:
        calls["never"] += 1
        raise ValueError("too small")

    steps = {"sometimes": sometimes, "never": never, "fine": lambda: time.sleep(1e-4)}
    timings = {timing.name: timing for timing in time_steps(steps, WORKLOAD, 4, "test")}
    assert list(timings) == list(steps)
    assert timings["sometimes"].error == "MemoryError: out of memory"
    assert timings["never"].error == "ValueError: too small"
    assert calls["never"] == 1
    for name in ("sometimes", "never"):
        assert timings[name].times == ()
        assert math.isnan(timings[name].median)
        assert math.isnan(timings[name].spread)
        assert math.isnan(timings[name].peak_bytes)
    assert not timings["fine"].error
    assert len(timings["fine"].times) == 4
    assert math.isnan(timings["fine"].ratio)  # there was no floor


def test_a_u_net_too_small_for_its_image_does_not_stop_the_losses() -> None:
    *losses, network = measure_speed([(16, 16)], batch=1, device="cpu", repeats=1)
    assert network.error
    for timing in losses:
        assert not timing.error
        assert timing.ratio > 0
        assert math.isnan(timing.network_share)


def test_slow_steps_are_repeated_less_often() -> None:
    assert [_num_repeats(seconds, 30) for seconds in (0.01, 1.0, 2.0, 9.0, 100.0)] == [30, 30, 15, 3, 3]
    assert _num_repeats(100.0, 2) == 2
    assert _num_repeats(math.nan, 30) == 0


def test_turns_are_spread_over_the_rounds() -> None:
    turns = _turns({"fast": 9, "slow": 3, "failed": 0, "also fast": 9})
    assert Counter(turns) == {"fast": 9, "also fast": 9, "slow": 3}
    rounds = [turns[start : start + 7] for start in range(0, 21, 7)]  # three rounds each
    assert all(Counter(names) == {"fast": 3, "also fast": 3, "slow": 1} for names in rounds)
    assert _turns({"failed": 0}) == []


def test_it_works_without_a_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_has_tqdm", False)
    (timing,) = time_steps({"nothing": lambda: None}, WORKLOAD, 1, "test")
    assert len(timing.times) == 1


def test_impossible_options_are_named() -> None:
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        measure_speed([(32, 32)], batch=1, device="cpu", repeats=0)
    with pytest.raises(ValueError, match="batch must be at least 1"):
        measure_speed([(32, 32)], batch=0, device="cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu() -> None:
    timings = measure_speed([(64, 64)], batch=2, device="cuda", dtype=torch.float16, repeats=3)
    assert [timing.name for timing in timings] == NAMES
    assert not [timing.error for timing in timings if timing.error]
    assert all(timing.peak_bytes > 0 for timing in timings)
