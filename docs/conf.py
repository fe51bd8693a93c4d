"""How Sphinx builds the documentation: sphinx-build -W docs docs/_build/html"""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
os.environ["TQDM_DISABLE"] = "1"  # no bars in the output of the experiments; read when tqdm is imported

project = "ebp: Efficient BackProp"
author = "The ebp developers"
copyright = author
version = release = installed_version("efficient-backprop")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "_extension",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "py:obj"  # `Network` in a docstring is a link

autosummary_generate = True
autodoc_typehints = "none"  # types stand in the docstrings
numpydoc_show_class_members = False  # the template lists them
myst_heading_anchors = 3

html_theme = "alabaster"
html_theme_options = {
    "description": "online training of neural networks by the 1998 recipe",
    "page_width": "1060px",
    "body_max_width": "none",
}

# Those experiments that need no data and take seconds are run, the others are shown.
RUN = ("batch_lms", "error_surface", "redundancy", "sdlm_rates", "stochastic_lms")

sphinx_gallery_conf = {
    "examples_dirs": "../bench/experiments",
    "gallery_dirs": "auto_examples",
    "filename_pattern": rf"[/\\]({'|'.join(RUN)})\.py",
    "ignore_pattern": r"(^|[/\\])experiment\.py",
    "within_subsection_order": "FileNameSortKey",
    "reset_argv": "_extension.experiment_options",
    "image_scrapers": ("_extension.take_picture",),
    "capture_repr": (),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "write_computation_times": False,
}
