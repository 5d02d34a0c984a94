"""``python -m monai_cwmi get-bundle``: a copy of one of the bundles that come with the package."""

from __future__ import annotations

import argparse

from monai_cwmi.commands.options import Commands

# Here too, as the package of list_bundles takes seconds to import.
BUNDLE_NAMES = (
    "gland_histology_segmentation",
    "myelin_sem_segmentation",
    "neurite_em_segmentation",
    "nuclei_microscopy_segmentation",
    "organ_ct_segmentation",
    "road_aerial_segmentation",
    "tissue_mr_segmentation",
    "vessel_fundus_segmentation",
)


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser("get-bundle", help="copy a bundle that comes with the package, to train it")
    parser.add_argument("name", choices=BUNDLE_NAMES, metavar="NAME", help="one of %(choices)s")
    parser.add_argument("folder", metavar="DIR", help="folder in which to make the folder NAME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Copy it and print its folder."""
    from monai_cwmi.data import get_bundle

    print(get_bundle(options.name, options.folder))
