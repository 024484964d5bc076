"""`fmdiag export`: runs as the table, methods, references and figures of a paper."""

import click

from .echo import echo


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path())
@click.option("--latex", "format", flag_value="latex", default=True, help="LaTeX, with BibTeX entries and a main.tex "
              "that compiles (the default).")
@click.option("--markdown", "format", flag_value="markdown", help="Markdown.")
@click.option("--csv", "format", flag_value="csv", help="CSV: raw values, a line per run and quantity.")
@click.option("--out", type=click.Path(file_okay=False), help="Folder.  [default: reports/export-NAME]")
@click.option("--labels", help="Names of the runs, separated by commas, in their order.  [default: folder names]")
@click.option("--width", type=click.FloatRange(1, 20), default=3.25, show_default=True, help="Inches, of figures.")
@click.option("--font-size", type=click.FloatRange(6, 24), default=8, show_default=True, help="Points in figures.")
@click.option("--anonymous", is_flag=True, help="Also write run.json and page without folders, host and user names.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
def command(runs, labels, **options):
    """Write what a paper takes from RUNS: headline numbers with intervals, methods, citations, figures.

    Nothing is measured again. Several runs become columns of one table, which is printed too.

    \b
    Examples:
      fmdiag export reports/report-digits --latex
      fmdiag export reports/n16 reports/n1500 --markdown --labels "16 digits,1500 digits"
    """
    from fmdiag.report.export import export

    names = None if labels is None else [label.strip() for label in labels.split(",")]
    found = export(runs, labels=names, **options)
    echo(found.table.rstrip("\n"))
    echo(f"wrote {found.folder}/", err=True)
