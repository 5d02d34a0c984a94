"""What several commands ask for in the same words."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

Commands = argparse._SubParsersAction  # what a command adds itself to
LEFT_OUT = 3  # exit status of a command that did a part of its work; 2 is argparse's
INTERRUPTED = 130  # exit status of a command that Ctrl-C ended, as shells have it


def count(text: str) -> int:
    """A whole number from 1, as type of an argument."""
    if re.fullmatch(r"[1-9]\d*", text) is None:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def measured() -> argparse.ArgumentParser:
    """A parent of parsers: the options of every benchmark."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--device", help="cpu or a CUDA device (default: CUDA, if there is any)")
    parser.add_argument("--repeats", type=count, default=30, help="times that each step is timed (default: 30)")
    parser.add_argument(
        "--out", metavar="DIR", help="folder for every number as JSON and for a chart (default: nothing is written)"
    )
    return parser


def make_folder(folder: str | None) -> None:
    """Make the folder of ``--out``: before the work, not after minutes of it."""
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
