"""Run one cell of a comparison: ``python -m monai_cwmi.experiment <folder>``, as :mod:`.runner` does."""

import sys
from pathlib import Path

from monai_cwmi.experiment.cell import run_cell

if __name__ == "__main__":
    run_cell(Path(sys.argv[1]))
