from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from monai_cwmi import functional
from monai_cwmi.bands.filters import band_filters, fft_frequencies, mirrored
from monai_cwmi.bands.spec import PyramidSpec, fitting_levels
from monai_cwmi.bands.table_cache import TableCache, cached_tables
from monai_cwmi.bands.tables import Tables, index_bound, make_tables

DOUBLE = torch.float64, torch.device("cpu")


def tables_of(size: int, num_orientations: int = 4, *, device: str = "cpu") -> Tables:
    return make_tables(
        (size, size), PyramidSpec(2, num_orientations, True, "centred"), torch.float32, torch.device(device)
    )


def products_of_filters(
    shape: tuple[int, ...], spec: PyramidSpec, level: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Products of two filters at the frequencies of the half space and at their mirror images, and multiplicities."""
    *others, last = shape
    here = (*(fft_frequencies(n) for n in others), torch.arange(last // 2 + 1, dtype=torch.float64))
    there = tuple(mirrored(q, n) for q, n in zip(here, shape, strict=True))
    filters = [band_filters(q, shape, level, *spec[1:]) for q in (here, there)]
    multiplicity = torch.where(here[-1] == 0, 0.5, 1.0) * 2.0 ** (len(shape) * (level - 1))
    return filters[0][:, None] * filters[0], filters[1][:, None] * filters[1], multiplicity


def tabulated(tables: Tables, mixing: torch.Tensor, level: int, num_indices: int) -> torch.Tensor:
    """What the tables say of all pairs of bands at each place, ``(F F, num_indices)``."""
    mixing = mixing.unflatten(0, (-1, tables.weights.shape[1]))
    blocks = tables.level == level - 1
    sectors = tables.segment[blocks] - (level - 1) * len(mixing)
    indices = tables.indices.unflatten(0, tables.weights.shape[::2])[blocks].flatten()
    found = torch.einsum("bal,bap->pbl", tables.weights[blocks], mixing[sectors]).flatten(1)
    return torch.zeros(len(found), num_indices, dtype=torch.float64).index_add_(1, indices, found)


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("num_orientations", [2, 3, 4, 5, 12])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.3, 1.0)])
@pytest.mark.parametrize("shape", [(16, 16), (17, 24), (40, 33)])
def test_the_tables_hold_the_products_of_the_filters(
    shape: tuple[int, int], spacing: tuple[float, ...], num_orientations: int, is_complex: bool
) -> None:
    spec = PyramidSpec(3, num_orientations, is_complex, "centred", spacing)
    tables = make_tables(shape, spec, *DOUBLE)
    for level in (1, 2, 3):
        products, opposite, multiplicity = products_of_filters(shape, spec, level)
        for mixing, expected in ((tables.even, products + opposite), (tables.odd, products - opposite)):
            found = tabulated(tables, mixing, level, expected[0, 0].numel())
            torch.testing.assert_close(found, (expected * multiplicity).flatten(2).flatten(0, 1), rtol=0, atol=1e-10)


@pytest.mark.parametrize("num_orientations", [3, 6])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0)])
@pytest.mark.parametrize("shape", [(12, 12, 12), (9, 14, 11)])
def test_the_tables_of_volumes_hold_the_products_of_the_filters(
    shape: tuple[int, int, int], spacing: tuple[float, ...], num_orientations: int
) -> None:
    spec = PyramidSpec(2, num_orientations, False, "centred", spacing)
    tables = make_tables(shape, spec, *DOUBLE)
    for level in (1, 2):
        products, opposite, multiplicity = products_of_filters(shape, spec, level)
        found = tabulated(tables, tables.even, level, products[0, 0].numel())
        expected = ((products + opposite) * multiplicity).flatten(2).flatten(0, 1)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    assert tables.odd.abs().max() == 0

    # The complex pyramid: the sum of the blocks of real and of imaginary parts is that of the analytic filters, twice.
    spec = spec._replace(is_complex=True)
    tables = make_tables(shape, spec, *DOUBLE)
    k = num_orientations
    for level in (1, 2):
        products, opposite, multiplicity = products_of_filters(shape, spec, level)
        even, odd = (
            tabulated(tables, mixing, level, products[0, 0].numel()).unflatten(0, (2 * k, 2 * k))
            for mixing in (tables.even, tables.odd)
        )
        for found, expected in (
            (even[:k, :k] + even[k:, k:], products + opposite),
            (odd[k:, :k] - odd[:k, k:], products - opposite),
        ):
            torch.testing.assert_close(found, 2 * (expected * multiplicity).flatten(2), rtol=0, atol=1e-10)
        for block in (even[:k, k:], even[k:, :k], odd[:k, :k], odd[k:, k:]):
            assert block.abs().max() == 0


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 4.0), (1.0, 20.0), (5.0, 1.0), (1.3, 1.0)])
def test_the_bound_of_places_holds_for_pixels_that_are_not_square(spacing: tuple[float, ...]) -> None:
    for shape in [(256, 256), (512, 100), (64, 256), (512, 40), (40, 24)]:
        spec = PyramidSpec(fitting_levels(shape, 6, spacing), 4, True, "centred", spacing)
        assert len(make_tables(shape, spec, *DOUBLE).indices) <= index_bound(shape, spec), shape


def test_the_bound_of_places_is_not_much_too_large() -> None:
    # It is memory, twice for each image.
    for shape, at_most in [((96, 96), 1.3), ((512, 512), 1.3), ((96, 96, 96), 1.8)]:
        spec = PyramidSpec(4, 6 if len(shape) == 3 else 4, True, "centred", (1.0,) * len(shape))
        assert index_bound(shape, spec) < at_most * len(make_tables(shape, spec, *DOUBLE).indices)


@pytest.mark.parametrize("num_orientations", [3, 6])
def test_the_bound_of_places_holds_in_space(num_orientations: int) -> None:
    for shape in [(3, 3, 3), (5, 8, 11), (16, 16, 16), (30, 9, 21), (40, 40, 3), (96, 48, 48)]:
        for spacing in [(1.0, 1.0, 1.0), (1.0, 1.0, 4.0), (1.0, 8.0, 8.0)]:
            spec = PyramidSpec(fitting_levels(shape, 6, spacing), num_orientations, True, "centred", spacing)
            assert len(make_tables(shape, spec, *DOUBLE).indices) <= index_bound(shape, spec), (shape, spacing)


@pytest.mark.parametrize("num_orientations", [2, 3, 12])
def test_the_bound_of_places_holds(num_orientations: int) -> None:
    for height in [*range(3, 40, 3), 128, 300]:
        for width in [*range(3, 40, 4), 127, 299]:
            shape = height, width
            spec = PyramidSpec(fitting_levels(shape, 6), num_orientations, True, "centred")
            assert len(make_tables(shape, spec, *DOUBLE).indices) <= index_bound(shape, spec), shape


def test_no_frequency_occurs_twice_among_levels_of_one_parity() -> None:
    tables = make_tables((65, 80), PyramidSpec(5, 4, True, "centred"), *DOUBLE)
    for part in (tables.indices[: tables.num_odd], tables.indices[tables.num_odd :]):
        real = part[part != 0]  # frequency 0 fills up the blocks
        assert len(real) == len(real.unique()) > 0


def test_tables_are_small() -> None:
    # 2 K - 1 harmonics at no more frequencies than the half plane has, and where they are: 8 bytes.
    shape, spec = (512, 512), PyramidSpec(4, 12, True, "centred")
    assert len(make_tables(shape, spec, torch.float32, torch.device("cpu")).indices) < 1.03 * 512 * 257


def test_a_training_loop_makes_its_tables_once(empty_cache: TableCache, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def counted(*arguments: object) -> Tables:
        made.append(arguments)
        return make_tables(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("monai_cwmi.bands.table_cache.make_tables", counted)
    for _ in range(3):
        for size in range(16, 48):
            prediction = torch.rand(1, 1, size, size, requires_grad=True)
            functional.mutual_information(prediction, torch.ones(1, 1, size, size)).sum().backward()
    assert len(made) == len(empty_cache) == 32
    assert 0 < empty_cache.nbytes <= empty_cache.max_bytes


def test_tables_beyond_the_limit_are_let_go_oldest_first() -> None:
    size = sum(t.nbytes for t in tables_of(32) if isinstance(t, torch.Tensor))
    cache = TableCache(max_bytes=2 * size, max_idle=1000)
    first = [cache.get(key, lambda: tables_of(32)) for key in "abac"]  # b is the oldest
    assert len(cache) == 2
    assert cache.get("a", lambda: tables_of(16)) is first[0]
    assert cache.get("b", lambda: tables_of(16)) is not first[1]


def test_tables_too_large_for_the_cache_are_still_those_of_the_next_step() -> None:
    cache = TableCache(max_bytes=1, max_idle=1000)
    tables = cache.get("a", lambda: tables_of(32))
    assert cache.get("a", lambda: tables_of(32)) is tables
    assert len(cache) == 1


def test_tables_not_asked_for_are_let_go_even_if_there_is_room() -> None:
    cache = TableCache(max_bytes=2**30, max_idle=10)
    cache.get("old", lambda: tables_of(16))
    for _ in range(10):
        cache.get("new", lambda: tables_of(16))
        assert len(cache) == 2
    cache.get("new", lambda: tables_of(16))
    assert len(cache) == 1


def test_what_fails_to_be_made_is_made_the_next_time() -> None:
    cache = TableCache(max_bytes=2**30, max_idle=10)

    def fail() -> Tables:
        raise MemoryError

    with pytest.raises(MemoryError):
        cache.get("a", fail)
    assert len(cache) == 0
    made = tables_of(16)
    assert cache.get("a", lambda: made) is made


def test_validation_before_training(empty_cache: TableCache) -> None:
    prediction, target = torch.rand(1, 1, 24, 24, requires_grad=True), torch.ones(1, 1, 24, 24)
    with torch.inference_mode():
        functional.mutual_information(prediction, target)
    functional.mutual_information(prediction, target).sum().backward()
    assert prediction.grad is not None


def test_each_dtype_has_tables_of_its_own(empty_cache: TableCache) -> None:
    spec = PyramidSpec(2, 4, True, "centred")
    single, double = (
        cached_tables((16, 16), spec, dtype, torch.device("cpu")) for dtype in (torch.float32, torch.float64)
    )
    assert (single.weights.dtype, double.weights.dtype) == (torch.float32, torch.float64)


def test_tables_are_the_same_in_every_process() -> None:
    # A run that is taken up again shall go on with the same numbers, to the last bit.
    code = """
import hashlib, torch
from monai_cwmi.bands.spec import PyramidSpec
from monai_cwmi.bands.tables import make_tables
digest = hashlib.sha256()
for shape, orientations in (((32, 32), 4), ((20, 24), 12), ((12, 12, 12), 6)):
    spec = PyramidSpec(3, orientations, True, "centred", (1.0,) * len(shape))
    for table in make_tables(shape, spec, torch.float64, torch.device("cpu")):
        digest.update(table.numpy().tobytes() if isinstance(table, torch.Tensor) else bytes(table))
print(digest.hexdigest())
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)]
    digests = {process.communicate()[0] for process in processes}
    assert len(digests) == 1
    assert all(digests)
