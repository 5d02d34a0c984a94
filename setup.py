"""What setup.cfg cannot say."""

import re
from pathlib import Path

from setuptools import find_packages, setup

# The README without its relative links, and without pictures and their captions: a package index has none of the files.
readme = Path("README.md").read_text(encoding="utf-8")
readme = re.sub(r"!\[[^]]*\]\((?!https?:)[^)]*\)\n\n(\*[^*]+\*\n\n)?", "", readme)
readme = re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", readme)

setup(
    long_description=f"{readme}\nThe pages that this text names are in the source distribution.\n",
    long_description_content_type="text/markdown",
    # The bundles lie beside the package and are installed inside it.
    packages=[*find_packages(include=["monai_cwmi*"]), "monai_cwmi.bundles"],
    package_dir={"monai_cwmi.bundles": "bundles"},
)
