"""The commands of ``python -m monai_cwmi``, one file each: words of the command line for one call of a function."""

from monai_cwmi.commands import (
    benchmark_growth,
    benchmark_speed,
    compare,
    explain,
    fetch_sample,
    get_bundle,
    nnunet_trainers,
    prepare_dataset,
)

# In the order in which --help lists them.
COMMANDS = (
    fetch_sample,
    get_bundle,
    prepare_dataset,
    compare,
    explain,
    nnunet_trainers,
    benchmark_speed,
    benchmark_growth,
)
