"""The site: the pages of docs/ as they stand, and a page for each kind, component and public name.

    sphinx-build -c docs . FOLDER

The sources are those of the whole repository, so that links between pages are the same here and on
a code host.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lumin-core"
author = "The lumin-core developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "lumin_site"]

root_doc = "docs/index"
include_patterns = [
    "*.md",
    "benchmarks/*.md",
    "docs/*.md",
    "docs/reference/**",
    "examples/*/*.md",
    "plugins/*/*.md",
]
exclude_patterns = [".*", "**/.*", "build", "dist", "lumin_core", "tests"]

default_role = "py:obj"
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "lumin-core"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "to_docs.html"}
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
templates_path = ["_templates"]
pygments_style = "friendly"
pygments_dark_style = "github-dark"
