"""Public data sets, read as they are downloaded and unpacked.

Each becomes a folder in the layout of the Medical Segmentation Decathlon, as the fetched samples are, with labels in
all sections and PNG files. What the classes of DRIVE, GlaS, SNEMI3D and Massachusetts Roads are follows R. Lu, "Complex
Wavelet Mutual Information Loss: A Multi-Scale Loss Function for Semantic Segmentation", ICML 2025.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from monai_cwmi.data.cache import find_cache, make_once
from monai_cwmi.data.layouts.chase_db1 import CHASE_DB1
from monai_cwmi.data.layouts.download import Pair, find_root, list_files
from monai_cwmi.data.layouts.drive import DRIVE
from monai_cwmi.data.layouts.dsb2018 import DSB2018
from monai_cwmi.data.layouts.glas import GLAS
from monai_cwmi.data.layouts.isbi2012 import ISBI2012
from monai_cwmi.data.layouts.massachusetts_roads import MASSACHUSETTS_ROADS
from monai_cwmi.data.layouts.snemi3d import SNEMI3D

DOWNLOADS = {
    "drive": DRIVE,
    "glas": GLAS,
    "snemi3d": SNEMI3D,
    "massachusetts_roads": MASSACHUSETTS_ROADS,
    "chase_db1": CHASE_DB1,
    "isbi2012": ISBI2012,
    "dsb2018": DSB2018,
}


def prepare_download(
    name: str | Sequence[str],
    folder: str | os.PathLike[str] | None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Make a data set out of a public one that lies on this machine as it was downloaded and unpacked.

    The first call reads every image and writes a folder into the cache; later calls only return its path. Other files
    in the download, or files that have changed since, make another folder. A call that is interrupted leaves nothing
    that a later call would mistake for the data set.

    Args:
        name: one of ``DOWNLOADS``, or several, of which the folder holds one: which, its files tell.
        folder: the folder of the download, or the one above it. It must hold, with the names that the files come with:

            - ``"drive"``: ``training/images/*.tif`` and ``training/1st_manual/*.gif``, and the same in ``test``. Where
              no test image has a label, the training images alone make all sections, and a line is printed. With
              ``mask/*.gif`` in each, what lies outside the field of view gets the index 2, "not labelled".
            - ``"glas"``: ``train_*.bmp``, ``testA_*.bmp``, ``testB_*.bmp`` and a ``*_anno.bmp`` for each.
            - ``"snemi3d"``: ``train-input.tif`` and ``train-labels.tif``, of as many pages.
            - ``"massachusetts_roads"``: ``tiff/train/*.tiff`` and ``tiff/train_labels/*.tif``, or
              ``train/sat/*.tiff`` and ``train/map/*.tif``.
            - ``"chase_db1"``: ``Image_*.jpg`` and an ``Image_*_1stHO.png`` for each.
            - ``"isbi2012"``: ``train-volume.tif`` and ``train-labels.tif``, of as many pages, or ``image/*.png`` and
              ``label/*.png``, named by the numbers of the slices.
            - ``"dsb2018"``: for each image ``<id>/images/<id>.png`` and ``<id>/masks/*.png``, as in ``stage1_train``,
              or ``images/*.png`` and ``labels/*.png``, which hold the numbers of the nuclei.
        cache_dir: the folder to keep it in. Default: the environment variable ``MONAI_CWMI_CACHE``, else the user's
            cache directory.

    Returns:
        The data set's folder, which holds a ``dataset.json``.

    Raises:
        FileNotFoundError: When a file is missing. The message names it and says where the data set is obtained.
        ValueError: When there is no such data set, ``folder`` is None (these are not fetched by themselves), a file
            cannot be read or is not named as in the download, an image and its label differ in size, there are fewer
            cases than sections, or the folder holds several of the data sets.

    Example::

        from monai_cwmi.data import load_datalist, prepare_download

        training = load_datalist(prepare_download("drive", "downloads/DRIVE"), "training")
        training = load_datalist(prepare_download(["drive", "chase_db1"], "downloads/CHASEDB1"), "training")
    """
    names = [name] if isinstance(name, str) else list(name)
    for each in names:
        if each not in DOWNLOADS:
            raise ValueError(f"There is no layout of a download named {each!r}; there are: {', '.join(DOWNLOADS)}.")
    if folder is None:
        raise ValueError(
            f"The data set {' or '.join(names)} is not fetched by itself: obtain it at {_sources(names)} and name the "
            "folder that it was unpacked to (a bundle takes it as --download_dir)."
        )
    with _say_sources(names):
        root = find_root(Path(folder), *(pattern for each in names for pattern in DOWNLOADS[each].patterns))
    found = _recognise(names, root)
    download = DOWNLOADS[found]
    with _say_sources([found]):
        pairs = download.find(root)
    return make_once(
        find_cache(cache_dir) / f"{found}-{_fingerprint(pairs)}",
        lambda unfinished, _scratch: download.prepare(pairs, unfinished),
    )


@contextmanager
def _say_sources(names: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        advice = f"The data set {' or '.join(names)} is obtained at {_sources(names)}."
        raise FileNotFoundError(f"{error} {advice}") from error


def _sources(names: Sequence[str]) -> str:
    return " or ".join(DOWNLOADS[name].source for name in names)


def _recognise(names: Sequence[str], root: Path) -> str:
    """The one of several data sets that begins in a folder, in which at least one does."""
    found = [name for name in names if any(list_files(root, pattern) for pattern in DOWNLOADS[name].patterns)]
    if len(found) > 1:
        raise ValueError(f"{root} holds several data sets: {', '.join(found)}. Put each into a folder of its own.")
    return found[0]


def _fingerprint(pairs: Sequence[Pair]) -> str:
    """Sixteen characters that change when any of the files does."""
    digest = hashlib.sha256()
    for path in (path for pair in pairs for path in (pair.image, pair.label, pair.field) if path):
        status = path.stat()
        digest.update(f"{path.resolve()}\n{status.st_size}\n{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
