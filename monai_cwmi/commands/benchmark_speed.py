"""``python -m monai_cwmi benchmark-speed``: what the loss costs in time and memory."""

from __future__ import annotations

import argparse
import re

import torch

from monai_cwmi.commands.options import Commands, count, make_folder, measured

_DTYPES = ("float32", "float64", "float16", "bfloat16")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser(
        "benchmark-speed",
        parents=[measured()],
        help="time and memory of the loss, other losses and a network, against the Fourier transforms in it",
    )
    parser.add_argument(
        "--sizes", type=_size, nargs="+", default=[(512, 512)], metavar="HxW[xD]", help="(default: 512x512)"
    )
    parser.add_argument("--batch", type=count, default=10, help="images in a batch (default: 10)")
    parser.add_argument(
        "--classes", type=count, default=1, help="1 (default) for a sigmoid channel, more for a softmax over as many"
    )
    parser.add_argument("--orientations", type=count, help="K of the pyramid (default: 4, and 6 for volumes)")
    parser.add_argument(
        "--dtype", choices=_DTYPES, default="float32", help="of the network's output; half precision runs in autocast"
    )
    parser.add_argument("--compile", action="store_true", help="measure CWMILoss under torch.compile too")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure, print a table, and write what ``--out`` asks for."""
    from monai_cwmi.benchmark import measure_speed, save_speed, speed_table

    make_folder(options.out)
    timings = measure_speed(
        options.sizes,
        batch=options.batch,
        classes=options.classes,
        num_orientations=options.orientations,
        device=options.device,
        dtype=getattr(torch, options.dtype),
        repeats=options.repeats,
        compiled=options.compile,
    )
    print(speed_table(timings))
    if options.out:
        print("\nWritten:", *save_speed(timings, options.out))


def _size(text: str) -> tuple[int, ...]:
    if re.fullmatch(r"[1-9]\d*(x[1-9]\d*){1,2}", text) is None:
        raise argparse.ArgumentTypeError(f"expected a size as 512x512 or 96x96x96, got {text!r}")
    return tuple(int(number) for number in text.split("x"))
