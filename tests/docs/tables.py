"""What the tests need to know about the blocks of some pages, to run them as printed.

A page that is not named here needs nothing: its ``python`` blocks run one after the other, its ``bash`` blocks command
by command in a small copy of the repository, and its ``yaml`` and ``json`` blocks are laid over a bundle.
"""

from __future__ import annotations

# The bundle that a page is about, for commands and configuration that do not say it. Default: the first.
DEFAULT_BUNDLE = "myelin_sem_segmentation"
BUNDLES = {
    "docs/how-to/my-data.md": "organ_ct_segmentation",
    "docs/how-to/volumes.md": "organ_ct_segmentation",
}

# Blocks whose first line does not name their file, by a piece of their text.
FILES = {
    ("README.md", '"to_onehot_y": true'): "configs/cwmi.json",
}
# Blocks that are no part of a bundle, but losses for `compare --losses`.
CATALOGUES = {("docs/how-to/compare.md", "MyDice:")}

# Pages whose blocks tests of their own run: that file must read the page.
OWN_TESTS = {
    "docs/extend.md": "tests/docs/test_extend.py",
    "docs/how-to/explain.md": "tests/explanation/test_page_of_docs.py",
    "docs/how-to/frameworks.md": "tests/docs/test_frameworks.py",
    "docs/how-to/install.md": "tests/test_packaging.py",
    "docs/how-to/nnunet.md": "tests/nnunet/test_page.py",
}

# Pages with the commands of another page, but for sizes; the bundles are the same but for their data
# (test_bundles_for_colour_differ_in_their_data_only).
SAME_COMMANDS = {
    "bundles/gland_histology_segmentation/docs/README.md": "bundles/vessel_fundus_segmentation/docs/README.md",
    "bundles/nuclei_microscopy_segmentation/docs/README.md": "bundles/vessel_fundus_segmentation/docs/README.md",
    "bundles/road_aerial_segmentation/docs/README.md": "bundles/vessel_fundus_segmentation/docs/README.md",
}

# What a command gets appended in a test, so that it takes seconds: every pattern that is found in it counts, in order.
SHORT_TRAINING = "--epochs 1 --steps_per_epoch 1 --patches_per_image 2"
SHORTER = {
    # The process belongs to the tests; so does its logging.
    r"-m monai\.bundle run": "--logging_file False",
    r"monai\.bundle run.*train\.json(?!.*evaluate\.json)": SHORT_TRAINING,
    # A page's other networks leave its first model alone.
    r"attention_unet\.json": "--ckpt_dir models/attention",
    r"monai\.bundle run.*paper\.json": "--batch_size 1 --channels '[4, 8]' --ckpt_dir models/paper",
    r"inference\.json.*--channels .*1024": "--channels '[4, 8]' --ckpt_path models/paper/model.pt",
    r"benchmark-": "--repeats 1 --device cpu",
    r"benchmark-speed": "--batch 1 --sizes 32x32",
    r"benchmark-speed.*96x96x96": "--sizes 32x32x32",
}
# The patch that fits a bundle's network, appended where no model brings its own.
PATCHES = {"organ_ct_segmentation": "[32, 32, 32]"}
DEFAULT_PATCH = "[32, 32]"

# Commands that no test of this folder runs, by the piece of another file that does: the file must hold that piece.
ELSEWHERE = {
    r"make (train|test|test-fast|docs|linkcheck|bundles)\b.*": ("Makefile", "\n{0}:"),
    r"make test": (".ci/run", "test"),
    r"ruff check \. && ruff format --check \.": ("Makefile", "ruff format --check ."),
    r"mypy": ("Makefile", "bin/mypy"),
    r"python -m venv \.venv && \.venv/bin/pip install -c constraints\.txt -e .*": ("Makefile", "-m venv $(VENV)"),
    r"source \.venv/bin/activate": ("Makefile", "$(VENV)/bin/"),
    r"pip install -c constraints\.txt -e .*": ("Makefile", "pip install --quiet --constraint constraints.txt"),
    r"torchrun --nnodes=2 .*": ("tests/docs/test_nodes.py", "def test_two_launchers_train_together"),
    r"torchrun .*multi_gpu_train\.json.*": ("tests/bundles/test_training.py", "def test_two_processes_train_together"),
    r".*benchmark-speed --device cuda .*": (
        "tests/commands/test_benchmark_speed.py",
        "def test_options_reach_the_measurement",
    ),
}
