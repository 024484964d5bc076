"""Docstrings as reStructuredText: stars and bars are plain text, single backticks code or a link, indented blocks code.

The docstrings are numpydoc with formulas in plain text (û*, ||v||², x_) that reStructuredText would take for markup.
"""

import importlib
import re

from sphinx.util.nodes import make_refnode

SECTION = re.compile("-{3,}")


def as_restructured_text(app, what, name, value, options, lines):
    """Change the lines of a docstring in place, before numpydoc reads them."""
    result, code, section = [], None, False
    for number, line in enumerate(lines):
        after = lines[number + 1] if number + 1 < len(lines) else ""
        section = section or bool(line.strip() and SECTION.fullmatch(after.strip()))
        if code == "example" and not line.strip():
            code = None
        if code == "indented" and line.strip() and not line.startswith("    "):
            code = None
        if code is None and line.lstrip().startswith(">>>"):
            code = "example"
        elif code is None and not section and line.startswith("    ") and not (result and result[-1].strip()):
            code = "indented"
            result += ["::", ""]
        result.append(line if code or SECTION.fullmatch(line.strip()) else plain(line))
    lines[:] = result


def skipped(app, what, name, value, skip, options):
    """Return True for what others define and a module of ours only imports; None leaves the decision to Sphinx."""
    return True if not (getattr(value, "__module__", None) or "fmdiag").startswith("fmdiag") else None


def plain(line):
    """Return a line of prose whose code and names are marked up and whose other signs stand for themselves."""
    parts = re.split(r"(``.+?``|`[^`]+`|(?<!\S)\*\w[^*]*\w\*(?!\w))", line)
    return "".join(_code(part) if part.startswith("`") else part if number % 2
                   else re.sub(r"([*|\\])|(?<=\w)(_)(?!\w)", r"\\\g<0>", part) for number, part in enumerate(parts))


def _code(part):
    text = part.strip("`")
    return f":py:obj:`{text}`" if re.fullmatch(r"fmdiag(\.\w+)+", text) else f"``{text}``"


def resolved(app, env, node, contnode):
    """Return the link of a name under which something is imported, to where it is documented.

    What exists and has no place in the reference is plain code; a name that does not exist is left to be warned of.
    """
    found = _imported(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or found is None:
        return None
    for name in (f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}",
                 getattr(found, "__name__", "")):
        if (place := env.domains["py"].objects.get(name)) is not None:
            return make_refnode(app.builder, node["refdoc"], place.docname, place.node_id, [contnode], name)
    return contnode


def _imported(name):
    """Return the object of a dotted name; None where there is none."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
            for part in parts[cut:]:
                found = getattr(found, part)
        except (ImportError, AttributeError, ValueError):
            continue
        return found
    return None
