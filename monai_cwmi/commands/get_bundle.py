"""``python -m monai_cwmi get-bundle``: a copy of one of the bundles that come with the package."""

from __future__ import annotations

import argparse

from monai_cwmi.commands.options import Commands
from monai_cwmi.data import get_bundle, list_bundles


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser("get-bundle", help="copy a bundle that comes with the package, to train it")
    parser.add_argument("name", choices=list_bundles(), metavar="NAME", help="one of %(choices)s")
    parser.add_argument("folder", metavar="DIR", help="folder in which to make the folder NAME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Copy it and print its folder."""
    print(get_bundle(options.name, options.folder))
