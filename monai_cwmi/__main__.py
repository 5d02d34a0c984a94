"""The command line: ``python -m monai_cwmi <command>``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from monai_cwmi.commands import COMMANDS
from monai_cwmi.commands.options import INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """The command line with all its commands."""
    parser = argparse.ArgumentParser(prog="python -m monai_cwmi", description="Tools around the CWMI loss.")
    parser.set_defaults(to_go_on="Repeat the command to begin anew.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command.

    Args:
        arguments: the words after ``python -m monai_cwmi``. Default: those of the running process.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(INTERRUPTED, f"\nInterrupted. {options.to_go_on}\n")


if __name__ == "__main__":
    main()
