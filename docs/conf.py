"""Settings of the documentation site: `make docs` builds it into build/docs, warnings are errors."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import fmdiag  # noqa: E402

project, author, copyright = "fmdiag", "the authors of fmdiag", "the authors of fmdiag"
version = release = fmdiag.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_nb", "sphinx_design",
              "sphinx_copybutton", "docs.ext"]
exclude_patterns = ["README.md", "runs", "ext", "**.ipynb_checkpoints"]
nitpicky = True

# Docstrings: numpydoc; a class is described where it is defined, its constructor's parameters with it.
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False
numpydoc_attributes_as_param_list = False

# Notebooks keep their outputs, tests/documentation runs them: the site takes seconds and shows what was run.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_prompt_text = "$ "
highlight_language = "text"  # indented blocks of docstrings are formulas

toc_object_entries = False  # a navigation of a thousand names helps nobody

html_theme = "furo"
html_title = f"fmdiag {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"sidebar_hide_name": False, "navigation_with_keys": True}
