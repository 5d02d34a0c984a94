"""Tables are made once for each size of image and kept as long as they are used."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from monai_cwmi.bands.spec import PyramidSpec
from monai_cwmi.bands.tables import Tables, make_tables


class TableCache:
    """Tables used of late.

    Dropped are those that the last ``max_idle`` requests did not ask for, and the least recently used ones as long as
    all together are larger than ``max_bytes``. The tables just asked for stay.

    Args:
        max_bytes: Memory for tables, on all devices together.
        max_idle: Number of requests.
    """

    def __init__(self, max_bytes: int, max_idle: int) -> None:
        self.max_bytes = max_bytes
        self.max_idle = max_idle
        self._entries: OrderedDict[Hashable, tuple[Tables, int]] = OrderedDict()  # with the request that used it last
        self._requests = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Tables]) -> Tables:
        """The tables of this key, made if they are not there."""
        with self._lock:
            self._requests += 1
            is_new = key not in self._entries
            tables = make() if is_new else self._entries.pop(key)[0]
            self._entries[key] = (tables, self._requests)
            while self._idle > self.max_idle:
                self._entries.popitem(last=False)
            # Counting bytes takes time, and at other requests they have not grown.
            while is_new and len(self._entries) > 1 and self.nbytes > self.max_bytes:
                self._entries.popitem(last=False)
            return tables

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Memory of all tables in bytes."""
        return sum(t.nbytes for tables, _ in self._entries.values() for t in tables if isinstance(t, Tensor))

    @property
    def _idle(self) -> int:
        return self._requests - next(iter(self._entries.values()))[1]


# Some 500 steps of training; a validation at the end of an epoch makes its tables anew, in a few milliseconds.
_cache = TableCache(max_bytes=2**29, max_idle=1000)


def cached_tables(
    spatial_shape: tuple[int, ...], spec: PyramidSpec, dtype: torch.dtype, device: torch.device
) -> Tables:
    """The same as :func:`make_tables`, which makes them the first time only."""

    def make() -> Tables:
        with torch.inference_mode(False):  # training may follow validation
            return make_tables(spatial_shape, spec, dtype, device)

    return _cache.get((spatial_shape, spec, dtype, device), make)
