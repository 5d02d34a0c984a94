"""``python -m monai_cwmi prepare-dataset``: a data set out of a clinic's scans and labels."""

from __future__ import annotations

import argparse

from monai_cwmi.commands.options import LEFT_OUT, Commands, count


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser(
        "prepare-dataset",
        help="make a data set out of a clinic's scans and labels",
        description=f"Exit status: 0 without defects, 1 without a data set, {LEFT_OUT} when something was left out.",
    )
    parser.add_argument("--images", required=True, metavar="DIR", help="scans: DICOM series, NIfTI, NRRD, MHA, MHD")
    parser.add_argument("--labels", required=True, metavar="DIR", help="labels: the same, or DICOM SEG")
    parser.add_argument("--out", required=True, metavar="DIR", help="the data set: new, empty or from an earlier run")
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="names of the classes 1, 2, ...; segments of these names in DICOM SEG, where a later one wins",
    )
    parser.add_argument(
        "--label-values", nargs="+", type=count, metavar="N", help="what label files hold for them (default: 1 2 ...)"
    )
    parser.add_argument(
        "--fractions",
        nargs=3,
        type=float,
        default=(0.7, 0.1, 0.2),
        metavar="F",
        help="shares of the patients for training, validation and test (default: 0.7 0.1 0.2)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    parser.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="finds the patient in a scan's path (default: PatientID, folder, name)",
    )
    parser.add_argument("--key", metavar="FILE", help="private file to tell which case is whose (default: none)")
    parser.set_defaults(run=run, to_go_on="Cases that are complete are kept; repeat the command to go on.")


def run(options: argparse.Namespace) -> None:
    """Make the data set and print what became of the cases."""
    from monai_cwmi.clinic import prepare_dataset

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
