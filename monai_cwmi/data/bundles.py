"""The bundles that come with the package, copied to where a user wants to train."""

from __future__ import annotations

import os
import shutil
from importlib.resources import files
from pathlib import Path

from monai_cwmi.data.cache import make_once

PARTS = ("LICENSE", "configs", "docs")  # of a bundle; whatever else lies in its folder was written there by a training


def list_bundles() -> list[str]:
    """Name the bundles that :func:`get_bundle` copies, in alphabetical order.

    Example:
        >>> list_bundles()[:2]
        ['gland_histology_segmentation', 'myelin_sem_segmentation']
    """
    return sorted(path.parents[1].name for path in _find_bundles().glob("*/configs/metadata.json"))


def get_bundle(name: str, folder: str | os.PathLike[str]) -> Path:
    """Copy a bundle, as it is delivered, into a folder of the user's.

    Args:
        name: one of :func:`list_bundles`.
        folder: where the bundle's own folder is to be made. What is above it is made too.

    Returns:
        The copy, ``folder / name``: whole or, after an error, not there.

    Raises:
        ValueError: if no bundle is called ``name``.
        FileExistsError: if there is something at ``folder / name`` already, other than an empty folder.

    Example:
        .. code-block:: python

            bundle = get_bundle("myelin_sem_segmentation", "my_bundles")
            workflow = monai.bundle.ConfigWorkflow(str(bundle / "configs" / "train.json"), bundle_root=str(bundle))
    """
    names = list_bundles()
    if name not in names:
        raise ValueError(f"There is no bundle {name!r}. There are: {', '.join(names)}")
    copy = Path(folder, name)
    if copy.is_dir() and not any(copy.iterdir()):
        copy.rmdir()
    if copy.exists():
        raise FileExistsError(f"{copy} is there already and was left as it is; remove it, or take another folder")

    def fill(unfinished: Path, _scratch: Path) -> None:
        for part in PARTS:
            source = _find_bundles() / name / part
            # Contents alone: the package may be installed read-only, and the copy is to be edited.
            if source.is_dir():
                shutil.copytree(source, unfinished / part, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(source, unfinished / part)

    return make_once(copy, fill)


def _find_bundles() -> Path:
    """Find the bundles: inside the package where it is installed, beside it in a checkout of the repository."""
    package = Path(str(files("monai_cwmi")))
    installed = package / "bundles"
    return installed if installed.is_dir() else package.parent / "bundles"
