"""``python -m monai_cwmi compare``: losses under equal conditions."""

from __future__ import annotations

import argparse
import re
from typing import Any

from monai_cwmi.commands.options import LEFT_OUT, Commands, count


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser(
        "compare",
        help="train a bundle with several losses under equal conditions, and report which is better at what",
        description="Repeat a command that was interrupted to continue it. Exit status: 0 when every training went "
        f"well, {LEFT_OUT} when some failed (they are tried again by the same command), 1 when none could be begun.",
    )
    parser.add_argument("--bundle", required=True, metavar="DIR", help="folder of a MONAI bundle, ours or another")
    parser.add_argument(
        "--losses",
        required=True,
        nargs="+",
        action="extend",
        metavar="LOSS",
        help="names in the catalogue, or YAML files of its form",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for results, tables, figures and report")
    parser.add_argument("--seeds", type=count, default=5, metavar="N", help="seeds 0 to N - 1 (default: 5)")
    parser.add_argument(
        "--folds", type=count, default=1, metavar="K", help="of a cross-validation (default: the data set's sections)"
    )
    parser.add_argument("--baseline", metavar="LOSS", help="compared with the others (default: CWMI, else the first)")
    parser.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="of the training (default: configs/train.json)",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        type=_entry,
        default=[],
        metavar="KEY=VALUE",
        help="entries of the bundle's configuration, values in YAML: --set dataset_dir=my_data epochs=50",
    )
    parser.add_argument(
        "--foreground", type=int, default=1, metavar="CLASS", help="that metrics of shape are about (default: 1)"
    )
    parser.add_argument(
        "--component-value",
        type=int,
        choices=(0, 1),
        default=0,
        help="metrics of topology count the foreground's components (1) or those between (0, default, as the paper)",
    )
    parser.add_argument("--workers", type=count, metavar="N", help="trainings side by side (default: one each GPU)")
    parser.set_defaults(run=run, to_go_on="Trainings that are complete are kept; repeat the command to go on.")


def run(options: argparse.Namespace) -> None:
    """Train, report, and name what failed."""
    try:
        from monai_cwmi.comparison import compare_losses
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


def _entry(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"expected an entry as epochs=50, got {text!r}")
    return key, value


def _value(key: str, text: str) -> Any:
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+", text):  # 1e-3 is a text to PyYAML
        return float(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {key}: {text!r} is no YAML: {' '.join(str(error).split())}") from error
