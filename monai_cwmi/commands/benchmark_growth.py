"""``python -m monai_cwmi benchmark-growth``: how the time grows with what is compared."""

from __future__ import annotations

import argparse

from monai_cwmi.commands.options import Commands, make_folder, measured


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser(
        "benchmark-growth", parents=[measured()], help="how the time grows with size, batch, classes and pyramid"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure, print a table, and write what ``--out`` asks for."""
    from monai_cwmi.benchmark import growth_table, measure_growth, save_growth

    make_folder(options.out)
    growths = measure_growth(device=options.device, repeats=options.repeats)
    print(growth_table(growths))
    if options.out:
        print("\nWritten:", *save_growth(growths, options.out))
