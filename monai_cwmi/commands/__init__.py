"""The commands of ``python -m monai_cwmi``, one file each: words of the command line for one call of a function."""

from monai_cwmi.commands import benchmark_growth, benchmark_speed, compare, explain, fetch_sample, prepare_dataset

# In the order in which --help lists them.
COMMANDS = (fetch_sample, prepare_dataset, compare, explain, benchmark_speed, benchmark_growth)
