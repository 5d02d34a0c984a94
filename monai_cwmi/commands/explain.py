"""``python -m monai_cwmi explain``: pictures of what the loss sees."""

from __future__ import annotations

import argparse

from monai_cwmi.commands.options import Commands, count


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser("explain", help="draw what the loss sees of a prediction, scale by scale")
    formats = "PNG, TIFF, NIfTI, NRRD, MHA"
    parser.add_argument("--image", required=True, metavar="FILE", help=f"{formats}, or the folder of a DICOM series")
    parser.add_argument("--label", required=True, metavar="FILE", help=f"label map: {formats}")
    parser.add_argument(
        "--prediction",
        required=True,
        metavar="FILE",
        help=f"label map, or probabilities with a channel for each class: {formats}, or .npy",
    )
    parser.add_argument(
        "--out", default="explanation", metavar="DIR", help="folder for the pictures (default: explanation)"
    )
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="names of the classes 1, 2, ...")
    parser.add_argument(
        "--label-values",
        nargs="+",
        type=int,
        metavar="N",
        help="what label maps hold for the classes 0, 1, ... (default: these, or even greys up to 255)",
    )
    parser.add_argument("--spacing", nargs=2, type=float, metavar="S", help="size of a picture's pixels, in --unit")
    parser.add_argument("--unit", default="mm", help="of --spacing (default: mm)")
    parser.add_argument("--levels", type=count, default=4, metavar="N", help="of the pyramid (default: 4)")
    parser.add_argument("--orientations", type=count, metavar="K", help="of the pyramid (default: 4, in space 6)")
    parser.add_argument(
        "--whole-volume", action="store_true", help="bands in space (default: slice by slice, as the loss)"
    )
    parser.add_argument("--phase", action="store_true", help="show the phase of the bands as hue")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Draw, and say how much of each class is explained."""
    try:
        from monai_cwmi.explanation import explain
    except ImportError as error:
        raise ImportError(f"{error}. Explanations need: pip install 'monai-cwmi[explain]'") from error
    explanation = explain(
        options.image,
        options.label,
        options.prediction,
        options.out,
        class_names=["background", *options.classes] if options.classes else None,
        label_values=options.label_values,
        spacing=options.spacing,
        unit=options.unit,
        num_levels=options.levels,
        num_orientations=options.orientations,
        whole_volume=options.whole_volume,
        phase=options.phase,
    )
    print(*explanation.sentences, sep="\n")
    print("Written:", *explanation.written)
