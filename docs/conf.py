"""Configuration of the documentation: ``make docs`` builds it into ``docs/_build/html``."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "monai_cwmi"
author = "The monai_cwmi developers"
project_copyright = author
version = release = installed_version("monai-cwmi")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_argparse_cli",
    "sphinx_copybutton",
    "sphinx_design",
    "generated_pages",  # from this repository: see docs/extensions
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
nitpicky = True

# Markdown. Anchors of headings are made as code hosts make them.
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4

# Notebooks are kept without outputs and run in every build, which fails where one of their cells does.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
autodoc_mock_imports = ["nnunetv2"]  # no requirement of the documentation
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
# Other packages' names are no links: their inventories would have to be downloaded.
nitpick_ignore_regex = [("py:.*", r"(?!monai_cwmi\b).*")]

html_theme = "furo"
html_title = f"monai_cwmi {version}"
# MathJax lies among the pages, which show formulas without a network. It comes in a package of files, no code of which
# is used.
(mathjax,) = find_spec("sphinx-mathjax-offline").submodule_search_locations
html_static_path = ["_static", f"{mathjax}/static"]
mathjax_path = "mathjax/tex-chtml.js"
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"footer_icons": []}

copybutton_exclude = ".linenos, .gp, .go"
linkcheck_timeout = 20
