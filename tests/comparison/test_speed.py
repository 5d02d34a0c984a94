from __future__ import annotations

from monai_cwmi.comparison import measure_speed


def test_every_step_is_timed_against_the_floor() -> None:
    timings = measure_speed((1, 1, 32, 32), repeats=3)
    assert len(timings) == len({timing.name for timing in timings}) == 5
    floor = timings[0]
    assert floor.ratio == 1
    for timing in timings:
        assert timing.median > 0
        assert timing.ratio == timing.median / floor.median
