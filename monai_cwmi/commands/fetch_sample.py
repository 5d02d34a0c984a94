"""``python -m monai_cwmi fetch-sample``: a small labelled data set."""

from __future__ import annotations

import argparse

from monai_cwmi.commands.options import Commands

# Here too, as the samples' own modules take seconds to import.
SAMPLE_NAMES = ("myelin_sem", "neurite_em", "nuclei", "organ_ct", "tissue_mr")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser("fetch-sample", help="fetch a small labelled data set")
    parser.add_argument("name", choices=SAMPLE_NAMES, help="which data set")
    parser.add_argument("--out", help="folder to keep it in (default: $MONAI_CWMI_CACHE, else the user's cache)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Fetch it and print its folder."""
    from monai_cwmi.data import fetch_sample

    print(fetch_sample(options.name, options.out))
