"""``python -m monai_cwmi nnunet-trainers``: the folder in which nnU-Net finds the trainers."""

from __future__ import annotations

import argparse
import sys

from monai_cwmi.commands.options import Commands


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to a command line."""
    parser = commands.add_parser(
        "nnunet-trainers",
        help="print the folder of nnU-Net's trainers, for its variable nnUNet_extTrainer",
        description="export nnUNet_extTrainer=$(python -m monai_cwmi nnunet-trainers)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print it. What is wrong with nnU-Net goes to standard error, so that a shell can take the folder all the same."""
    from monai_cwmi.nnunet import nnunet_problem, trainers_folder

    print(trainers_folder())
    problem = nnunet_problem()
    if problem:
        print(problem, file=sys.stderr)
