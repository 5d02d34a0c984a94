"""The command line: ``python -m monai_cwmi <command>``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.utils import optional_import

from monai_cwmi.clinic import prepare_dataset
from monai_cwmi.comparison import growth_table, measure_growth, measure_speed, save_growth, save_speed, speed_table
from monai_cwmi.data import SAMPLES, fetch_sample

yaml, _ = optional_import("yaml")

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16}
LEFT_OUT = 3  # exit status; 2 is argparse's


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

    prepare = commands.add_parser(
        "prepare-dataset",
        help="make a data set out of a clinic's scans and labels",
        description=f"Exit status: 0 without defects, 1 without a data set, {LEFT_OUT} when something was left out.",
    )
    prepare.add_argument("--images", required=True, metavar="DIR", help="scans: DICOM series, NIfTI, NRRD, MHA, MHD")
    prepare.add_argument("--labels", required=True, metavar="DIR", help="labels: the same, or DICOM SEG")
    prepare.add_argument("--out", required=True, metavar="DIR", help="the data set: new, empty or from an earlier run")
    prepare.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="names of the classes 1, 2, ...; segments of these names in DICOM SEG, where a later one wins",
    )
    prepare.add_argument(
        "--label-values", nargs="+", type=_count, metavar="N", help="what label files hold for them (default: 1 2 ...)"
    )
    prepare.add_argument(
        "--fractions",
        nargs=3,
        type=float,
        default=(0.7, 0.1, 0.2),
        metavar="F",
        help="shares of the patients for training, validation and test (default: 0.7 0.1 0.2)",
    )
    prepare.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    prepare.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="finds the patient in a scan's path (default: PatientID, folder, name)",
    )
    prepare.add_argument("--key", metavar="FILE", help="private file to tell which case is whose (default: none)")
    prepare.set_defaults(run=_prepare_dataset)

    measured = argparse.ArgumentParser(add_help=False)
    measured.add_argument("--device", help="cpu or a CUDA device (default: CUDA, if there is any)")
    measured.add_argument("--repeats", type=_count, default=30, help="times that each step is timed (default: 30)")
    measured.add_argument(
        "--out", metavar="DIR", help="folder for every number as JSON and for a chart (default: nothing is written)"
    )
    speed = commands.add_parser(
        "benchmark-speed",
        parents=[measured],
        help="time and memory of the loss, other losses and a network, against the Fourier transforms in it",
    )
    speed.add_argument(
        "--sizes", type=_size, nargs="+", default=[(512, 512)], metavar="HxW[xD]", help="(default: 512x512)"
    )
    speed.add_argument("--batch", type=_count, default=10, help="images in a batch (default: 10)")
    speed.add_argument(
        "--classes", type=_count, default=1, help="1 (default) for a sigmoid channel, more for a softmax over as many"
    )
    speed.add_argument("--orientations", type=_count, help="K of the pyramid (default: 4, and 6 for volumes)")
    speed.add_argument(
        "--dtype", choices=_DTYPES, default="float32", help="of the network's output; half precision runs in autocast"
    )
    speed.add_argument("--compile", action="store_true", help="measure CWMILoss under torch.compile too")
    speed.set_defaults(run=_benchmark_speed)
    growth = commands.add_parser(
        "benchmark-growth", parents=[measured], help="how the time grows with size, batch, classes and pyramid"
    )
    growth.set_defaults(run=_benchmark_growth)

    _add_compare(commands)

    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        parser.exit(1, f"{error}\n")


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = commands.add_parser(
        "compare",
        help="train a bundle with several losses under equal conditions, and report which is better at what",
        description="Repeat a command that was interrupted to continue it. Exit status: 0 when every training went "
        f"well, {LEFT_OUT} when some failed (they are tried again by the same command), 1 when none could be begun.",
    )
    compare.add_argument("--bundle", required=True, metavar="DIR", help="folder of a MONAI bundle, ours or another")
    compare.add_argument(
        "--losses",
        required=True,
        nargs="+",
        action="extend",
        metavar="LOSS",
        help="names in the catalogue, or YAML files of its form",
    )
    compare.add_argument("--out", required=True, metavar="DIR", help="folder for results, tables, figures and report")
    compare.add_argument("--seeds", type=_count, default=5, metavar="N", help="seeds 0 to N - 1 (default: 5)")
    compare.add_argument(
        "--folds", type=_count, default=1, metavar="K", help="of a cross-validation (default: the data set's sections)"
    )
    compare.add_argument("--baseline", metavar="LOSS", help="compared with the others (default: CWMI, else the first)")
    compare.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="of the training (default: configs/train.json)",
    )
    compare.add_argument(
        "--set",
        nargs="+",
        action="extend",
        type=_entry,
        default=[],
        metavar="KEY=VALUE",
        help="entries of the bundle's configuration, values in YAML: --set dataset_dir=my_data epochs=50",
    )
    compare.add_argument(
        "--foreground", type=int, default=1, metavar="CLASS", help="that metrics of shape are about (default: 1)"
    )
    compare.add_argument(
        "--component-value",
        type=int,
        choices=(0, 1),
        default=0,
        help="metrics of topology count the foreground's components (1) or those between (0, default, as the paper)",
    )
    compare.add_argument("--workers", type=_count, metavar="N", help="trainings side by side (default: one each GPU)")
    compare.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> None:
    try:
        from monai_cwmi.experiment import compare_losses
    except ImportError as error:
        raise ImportError(f"{error}. Comparisons need: pip install 'monai-cwmi[compare]'") from error
    comparison = compare_losses(
        options.bundle,
        options.losses,
        options.out,
        seeds=range(options.seeds),
        folds=options.folds,
        config_files=options.config,
        overrides={key: _value(key, text) for key, text in options.set},
        baseline=options.baseline,
        foreground=options.foreground,
        component_value=options.component_value,
        workers=options.workers,
    )
    print("Written:", *comparison.written)
    for cell, reason in comparison.failures.items():
        print(f"\nFailed: {cell.loss}, fold {cell.fold}, seed {cell.seed}\n{reason}")
    if comparison.failures:
        raise SystemExit(LEFT_OUT)


def _fetch_sample(options: argparse.Namespace) -> None:
    print(fetch_sample(options.name, options.out))


def _prepare_dataset(options: argparse.Namespace) -> None:
    summary = prepare_dataset(
        options.images,
        options.labels,
        options.out,
        classes=options.classes,
        label_values=options.label_values,
        fractions=options.fractions,
        seed=options.seed,
        patient_pattern=options.patient_pattern,
        key=options.key,
    )
    print(summary)
    if summary.left_out:
        raise SystemExit(LEFT_OUT if any(summary.sections.values()) else 1)


def _benchmark_speed(options: argparse.Namespace) -> None:
    _make_folder(options.out)
    timings = measure_speed(
        options.sizes,
        batch=options.batch,
        classes=options.classes,
        num_orientations=options.orientations,
        device=options.device,
        dtype=_DTYPES[options.dtype],
        repeats=options.repeats,
        compiled=options.compile,
    )
    print(speed_table(timings))
    if options.out:
        print("\nWritten:", *save_speed(timings, options.out))


def _benchmark_growth(options: argparse.Namespace) -> None:
    _make_folder(options.out)
    growths = measure_growth(device=options.device, repeats=options.repeats)
    print(growth_table(growths))
    if options.out:
        print("\nWritten:", *save_growth(growths, options.out))


def _make_folder(folder: str | None) -> None:
    if folder:  # now, not after minutes of measuring
        Path(folder).mkdir(parents=True, exist_ok=True)


def _size(text: str) -> tuple[int, ...]:
    if re.fullmatch(r"[1-9]\d*(x[1-9]\d*){1,2}", text) is None:
        raise argparse.ArgumentTypeError(f"expected a size as 512x512 or 96x96x96, got {text!r}")
    return tuple(int(number) for number in text.split("x"))


def _entry(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"expected an entry as epochs=50, got {text!r}")
    return key, value


def _value(key: str, text: str) -> Any:
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+", text):  # 1e-3 is a text to PyYAML
        return float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {key}: {text!r} is no YAML: {' '.join(str(error).split())}") from error


def _count(text: str) -> int:
    if re.fullmatch(r"[1-9]\d*", text) is None:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
