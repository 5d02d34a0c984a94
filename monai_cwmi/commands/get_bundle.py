"""``python -m monai_cwmi get-bundle``: a copy of one of the bundles that come with the package."""

from __future__ import annotations

import argparse

from monai_cwmi.commands.options import Commands


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser("get-bundle", help="copy a bundle that comes with the package, to train it")
    parser.add_argument("name", type=_bundle, metavar="NAME", help="of the bundle; an unknown name is told all names")
    parser.add_argument("folder", metavar="DIR", help="folder in which to make the folder NAME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Copy it and print its folder."""
    from monai_cwmi.data import get_bundle

    print(get_bundle(options.name, options.folder))


def _bundle(name: str) -> str:
    from monai_cwmi.data import list_bundles

    names = list_bundles()
    if name not in names:
        raise argparse.ArgumentTypeError(f"invalid choice: {name!r} (choose from {', '.join(names)})")
    return name
