"""How the site is built: ``sphinx-build -W -b html docs docs/_build/html``. Needs no network."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
sys.path.insert(0, str(Path(__file__).parent.parent))

import tradecore

project = "tradecore"
author = "The tradecore developers"
project_copyright = "The tradecore developers"
version = release = tradecore.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "drawings",
    "outage",
    "rooms",
    "schema",
]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "api.txt"]
html_theme = "furo"
html_title = f"tradecore {release}"
html_static_path = []

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes are lines of a class, not targets of their own
suppress_warnings = ["ref.python"]  # one name in two rooms (a front door and its room) is no mistake here
