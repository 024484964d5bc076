"""Table of a paper: a line per headline number, a column per run, as LaTeX, Markdown or CSV."""

import math

import pandas as pd

from fmdiag.report.export.tex import tex
from fmdiag.results.short_table import number_text
from fmdiag.results.tables import without_formulas


def cells(labels, headlines):
    """Return {words: [cell per run]}; a cell is empty where the run has no such number."""
    names = list(dict.fromkeys(entry["quantity"] for numbers in headlines for entry in numbers))
    found = [{entry["quantity"]: entry for entry in numbers} for numbers in headlines]
    words = {name: next(numbers[name]["words"] for numbers in found if name in numbers) for name in names}
    return [(words[name], [_cell(numbers.get(name)) for numbers in found]) for name in names]


def _cell(entry):
    if entry is None:
        return ""
    return number_text(*(math.nan if entry[key] is None else entry[key] for key in ("value", "low", "high")))


def latex(labels, headlines):
    """Return a tabular of LaTeX; it needs no package."""
    head = " & ".join(["Quantity", *map(tex, labels)])
    # A paragraph column: the words of a quantity are longer than a column of a paper.
    lines = [rf"\begin{{tabular}}{{p{{0.45\linewidth}}{'l' * len(labels)}}}", r"\hline", rf"{head} \\", r"\hline"]
    lines += [rf"{' & '.join([tex(words), *map(tex, row)])} \\" for words, row in cells(labels, headlines)]
    return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def markdown(labels, headlines):
    """Return a table of Markdown."""
    rows = [["Quantity", *labels], ["---"] * (1 + len(labels)),
            *([words, *row] for words, row in cells(labels, headlines))]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def csv(labels, headlines):
    """Return a table of CSV, a line per run and quantity, raw values."""
    rows = [{"run": label, **entry} for label, numbers in zip(labels, headlines, strict=True) for entry in numbers]
    return without_formulas(pd.DataFrame(rows)).to_csv(index=False, lineterminator="\n")
