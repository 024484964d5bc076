"""Export of one or several runs as the files that a paper takes: table, methods, references, figures."""

from dataclasses import dataclass
from pathlib import Path

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.figures import RunData, figure_cards
from fmdiag.figures.draw import drawn_figure, save_figure
from fmdiag.figures.style import SMALLEST, legible, printed
from fmdiag.files.anonymous import anonymous as without_names
from fmdiag.files.destination import slug
from fmdiag.files.marker import changed_file, read_marker
from fmdiag.files.staged import StagedFolder
from fmdiag.report.export import methods, tables
from fmdiag.report.export.anonymous import copies
from fmdiag.report.export.tex import tex
from fmdiag.results.headline import headline

FORMATS = {"latex": "tex", "markdown": "md", "csv": "csv"}
WIDTHS, SIZES = (1.0, 20.0), (SMALLEST, 24.0)
DOCUMENT = r"""\documentclass{article}
\usepackage{graphicx}
\begin{document}
\noindent\input{table}

\input{methods}

%s
%s\end{document}
"""


@dataclass(frozen=True)
class Export:
    """What an export wrote.

    Parameters
    ----------
    folder : Path
    table : str
        The table, as the file ``table.*`` holds it.
    """

    folder: Path
    table: str


def export(runs, format="latex", out=None, *, labels=None, width=3.25, font_size=8.0, anonymous=False,
           overwrite=False):
    """Write the table, methods and figures of runs for a paper; several runs stand side by side as columns.

    Parameters
    ----------
    runs : path or sequence of path
        Run folders; nothing is measured again.
    format : str
        "latex" (with ``references.bib`` and ``main.tex``, which compiles), "markdown" or "csv".
    out : path, optional
        Folder; default ``reports/export-NAME``.
    labels : sequence of str, optional
        Names of the columns; default the names of the folders.
    width : float
        Width of the figures, inches, 1 to 20.
    font_size : float
        Points, at least 6; no text of a figure is smaller than 6 points.
    anonymous : bool
        Also write run.json and the page without paths, hosts and user names, a folder per run.
    overwrite : bool
        Replace an earlier export.

    Returns
    -------
    Export

    Raises
    ------
    FmdiagError
        If a folder is no run, has no summary or was changed, or an option is not accepted.
    """
    runs = [runs] if isinstance(runs, str | Path) else list(runs)
    check_choice("format of an export", format, FORMATS)
    for name, value, (least, most) in (("width", width, WIDTHS), ("font_size", font_size, SIZES)):
        if not least <= value <= most:
            raise FmdiagError(f"{name} must be from {least:g} to {most:g}, got {value:g}")
    read = [_read(run) for run in runs]
    if not read:
        raise FmdiagError("export takes at least one run folder, got none")
    labels = [Path(run).resolve().name for run in runs] if labels is None else list(labels)
    if len(labels) != len(runs):
        raise FmdiagError(f"labels must be one per run, {len(runs)}, got {len(labels)}")
    out = Path("reports") / f"export-{slug(labels[0])}" if out is None else Path(out)
    records = [without_names(data.run) if anonymous else data.run for data in read]
    out.parent.mkdir(parents=True, exist_ok=True)
    with StagedFolder(out, "export", overwrite=overwrite) as staged:
        with staged.writing("the export"):
            table = _written(staged.path, format, labels, read, records, (width, font_size))
            for label, run in zip(labels, runs, strict=True) if anonymous else ():
                folder = staged.path / (slug(label) if len(runs) > 1 else ".")
                folder.mkdir(exist_ok=True)
                copies(run, folder)
    return Export(out, table)


def _read(run):
    """Return the RunData of a folder that is whole and as fmdiag wrote it."""
    data, marker = RunData(run), read_marker(run)
    changed = changed_file(run, marker.files) if marker else None
    if changed is not None:
        raise FmdiagError(f"{run} holds {changed}, which was changed after fmdiag wrote it: make the run again, or "
                          "export another")
    if data.table("summary") is None:
        again = f": run again: {data.run['command']}" if data.run.get("command") else "; make the run again"
        raise FmdiagError(f"{run} has no table summary (written by fmdiag {data.run['fmdiag']}){again}")
    return data


def _written(folder, format, labels, read, records, size):
    """Write everything into a folder, and return the table."""
    headlines = [headline(data.table("summary"), data.run) for data in read]
    if not any(headlines):
        raise FmdiagError(f"{read[0].path} has no number to export; give a run that measured")
    table = getattr(tables, format)(labels, headlines)
    (folder / f"table.{FORMATS[format]}").write_text(table, encoding="utf-8")
    figures = [name for data, label in zip(read, labels, strict=True)
               for name in _figures(folder, data, slug(label) + "-" if len(read) > 1 else "", *size)]
    said = methods.sentences(labels, records)
    if format == "latex":
        _latex(folder, said, methods.references(records), figures)
    else:
        (folder / "methods.md").write_text("".join(f"{text}\n\n" for text, _ in said), encoding="utf-8")
    return table


def _latex(folder, said, entries, figures):
    cited = [tex(text) + (rf"~\cite{{{','.join(keys)}}}" if keys else "") for text, keys in said]
    (folder / "methods.tex").write_text("\n".join(cited) + "\n", encoding="utf-8")
    (folder / "references.bib").write_text("\n".join(entries.values()), encoding="utf-8")
    shown = "".join(f"\\noindent\\includegraphics{{figures/{name}}}\n\n" for name in figures)
    listed = "\\bibliographystyle{plain}\n\\bibliography{references}\n" if entries else ""
    (folder / "main.tex").write_text(DOCUMENT % (shown, listed), encoding="utf-8")


def _figures(folder, data, prefix, width, font_size):
    """Draw the figures of a run at a width; return their names."""
    (folder / "figures").mkdir(exist_ok=True)
    names = []
    for name, card in figure_cards().items():
        with printed(width, font_size):
            figure = drawn_figure(data, name, card)
            if figure is not None:
                save_figure(legible(figure, font_size), folder / "figures" / f"{prefix}{name}.pdf", "pdf")
                names.append(f"{prefix}{name}.pdf")
    return names
