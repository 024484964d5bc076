"""Markdown of the made pages: escapes, figures side by side, tables of two and more columns."""

import re


def escaped(text):
    """Return plain text whose stars, bars and brackets Markdown leaves alone; *words* between stars are emphasised."""
    parts = re.split(r"((?<!\w)\*\w[^*]*\w\*(?!\w))", text)
    return "".join(part if number % 2 else re.sub(r"(?<!\\)([*|<\[\]])", r"\\\1", part)
                   for number, part in enumerate(parts))


def table(head, rows):
    """Return the lines of a table; cells are Markdown already."""
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head),
            *("| " + " | ".join(cell.replace("\n", " ") for cell in row) + " |" for row in rows), ""]


def figure(path, alt, caption=""):
    """Return the lines of one figure with its alternative text; a caption stands below it."""
    lines = [f"```{{image}} {path}", f":alt: {' '.join(alt.split())}", "```", ""]
    return [*lines, escaped(caption), ""] if caption else lines


def side_by_side(columns):
    """Return the lines of a grid of columns, each a (title, lines)."""
    lines = ["::::{grid} 1 1 2 2", ":gutter: 3", ""]
    for title, content in columns:
        lines += [":::{grid-item}", f"**{escaped(title)}**", "", *content, ":::", ""]
    return [*lines, "::::", ""]


def console(lines):
    """Return the lines of a block of commands."""
    return ["```console", *(f"$ {line}" for line in lines), "```", ""]
