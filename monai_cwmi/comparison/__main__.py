"""Run one cell of a comparison: ``python -m monai_cwmi.comparison <folder>``, as :mod:`.runner` does.

The comparison holds the other end of standard input; when that is gone, so is this process. Else a cell of a
comparison that was killed would go on, and get in the way of the same cell when the comparison is repeated.
"""

import logging
import os
import sys
import threading
import traceback
from pathlib import Path

from monai_cwmi.comparison.cell import run_cell


def _end_with_comparison() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)  # from a thread, and in the middle of whatever is going on


if __name__ == "__main__":
    threading.Thread(target=_end_with_comparison, daemon=True).start()
    logging.basicConfig(level=logging.INFO)
    try:
        run_cell(Path(sys.argv[1]))
    except Exception as error:
        traceback.print_exc()
        cause: BaseException = error
        while cause.__cause__ is not None:  # MONAI wraps all in "failed to evaluate"
            cause = cause.__cause__
        sys.exit(f"{type(cause).__name__}: {cause}")
