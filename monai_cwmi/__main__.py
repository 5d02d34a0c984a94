"""The command line: ``python -m monai_cwmi <command>``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from monai_cwmi.comparison import measure_speed
from monai_cwmi.data import SAMPLES, fetch_sample


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command.

    Args:
        arguments: the words after ``python -m monai_cwmi``. Default: those of the running process.
    """
    parser = argparse.ArgumentParser(prog="python -m monai_cwmi", description="Tools around the CWMI loss.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch-sample", help="fetch a small labelled data set")
    fetch.add_argument("name", choices=sorted(SAMPLES), help="which data set")
    fetch.add_argument("--out", help="folder to keep it in (default: $MONAI_CWMI_CACHE, else the user's cache)")
    fetch.set_defaults(run=_fetch_sample)
    speed = commands.add_parser("benchmark-speed", help="time the loss against the Fourier transforms in it")
    speed.add_argument("--shape", type=int, nargs=4, default=(10, 1, 512, 512), metavar=("B", "C", "H", "W"))
    speed.add_argument("--num-orientations", type=int, default=4)
    speed.add_argument("--repeats", type=int, default=30)
    speed.set_defaults(run=_benchmark_speed)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        parser.exit(1, f"{error}\n")


def _fetch_sample(options: argparse.Namespace) -> None:
    print(fetch_sample(options.name, options.out))


def _benchmark_speed(options: argparse.Namespace) -> None:
    batch, channels, height, width = options.shape
    print(f"forward + backward, {batch} x {channels} x {height} x {width}, K = {options.num_orientations}")
    print(f"torch {torch.__version__}, CPU, {torch.get_num_threads()} threads, {options.repeats} repeats")
    for timing in measure_speed((batch, channels, height, width), options.num_orientations, options.repeats):
        milliseconds = f"{1e3 * timing.median:8.2f} ms (IQR {1e3 * timing.spread:.2f})"
        print(f"{timing.name:28}{milliseconds:28}{timing.ratio:6.2f} x floor")


if __name__ == "__main__":
    main()
