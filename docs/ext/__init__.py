"""Sphinx extension of fmdiag's site: pages from cards, metrics, commands and docstrings, made before any is read.

Nothing in these pages is written by hand: a new diagnostic, metric, command or module has its page by existing.
"""

from pathlib import Path

from docs.ext import commands, definitions, docstrings, gallery, guides, papers, reference

DOCS = Path(__file__).parents[1]
# Folders of docs/ in which every page is made; none of them is kept by git.
MADE = ("api", "gallery", "made")


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("builder-inited", lambda app: write())
    app.connect("autodoc-process-docstring", docstrings.as_restructured_text, priority=400)  # numpydoc comes at 500
    app.connect("autodoc-skip-member", docstrings.skipped)
    app.connect("missing-reference", docstrings.resolved)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def pages():
    """Return {path within docs/: text} of all pages that are made."""
    return {**gallery.pages(), **definitions.pages(), **papers.pages(), **commands.pages(), **guides.pages(),
            **reference.pages()}


def write():
    """Write the pages that changed, and remove those of what is no more."""
    texts = pages()
    for folder in MADE:
        for path in (DOCS / folder).glob("*.*"):
            if path.suffix in (".md", ".rst") and path.relative_to(DOCS).as_posix() not in texts:
                path.unlink()
    for name, text in texts.items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:  # an unchanged page is not read again
            path.write_text(text, encoding="utf-8")
