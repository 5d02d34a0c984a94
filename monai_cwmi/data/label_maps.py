"""Label maps of volumes, written whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from monai.data import NibabelWriter

from monai_cwmi.data.whole_files import whole_file


class LabelMapWriter(NibabelWriter):
    """MONAI's ``NibabelWriter`` for label maps of volumes, for MONAI's ``SaveImage``.

    A volume of one slice keeps its third axis, and with it its spacing and direction. A file has its name only when it
    is complete: a disk that is full or a process that is killed leaves no part of one.

    Raises:
        OSError: When the file cannot be written. The message names it.

    Example::

        SaveImaged(keys="pred", writer="monai_cwmi.data.LabelMapWriter", resample=False)
    """

    data_obj: Any

    def set_data_array(
        self, data_array: Any, channel_dim: int | None = 0, squeeze_end_dims: bool = True, **kwargs: Any
    ) -> None:
        """Take the array (1, X, Y, Z), or with ``channel_dim=None`` (X, Y, Z). No axis of it is squeezed."""
        super().set_data_array(data_array, channel_dim, squeeze_end_dims=False, **kwargs)
        self.data_obj = self.data_obj[..., 0]  # of (X, Y, Z, 1)

    def write(self, filename: str | os.PathLike[str], verbose: bool = False, **kwargs: Any) -> None:
        """Write the file under another name, and then give it its own."""
        path = Path(filename)
        unfinished = path.with_name(f"unfinished_{path.name}")
        with whole_file(path, unfinished):
            super().write(unfinished, verbose=verbose, **kwargs)
