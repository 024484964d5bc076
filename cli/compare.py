"""`fmdiag compare`: several runs side by side, with their differences."""

import click

from .echo import echo, echo_json
from .options import ANONYMOUS
from .shown import echo_found, found_as_json, given_places, rows_of, typed_command, verdict_of


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path())
@click.option("--labels", help="Names of the runs, separated by commas, in their order.  [default: folder names]")
@click.option("--out", type=click.Path(file_okay=False), help="Folder of the comparison.  [default: reports/compare-N]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier comparison once the new one is complete.")
@ANONYMOUS
@click.option("--json", "as_json", is_flag=True, help="Print verdict, headline differences and, under details, "
              "all of them as JSON on stdout.")
@click.option("--verbose", is_flag=True, help="Print the whole table of differences.")
def command(runs, labels, out, overwrite, as_json, verbose):
    """Overlay the figures of RUNS and tell their differences from the first, each with its interval.

    Runs may be checkpoints along training, sizes of the data set, losses. Nothing is measured again. Where the seeds
    are the same, so are the noises, and differences are taken noise by noise; else the runs count as independent.

    \b
    Examples:
      fmdiag compare reports/step-1000 reports/step-5000 reports/step-20000
      fmdiag compare reports/n16 reports/n1500 --labels "16 digits,1500 digits"
    """
    from fmdiag.report.comparison import write_comparison
    from fmdiag.report.tables import NOT_SHOWN
    from fmdiag.results import load_run
    from fmdiag.results.short_table import short_table

    names = None if labels is None else [label.strip() for label in labels.split(",")]
    found = write_comparison(runs, out, labels=names, overwrite=overwrite, command=typed_command(),
                             places=given_places())
    for sentence in found.cautions:
        echo(f"Warning: {sentence}", err=True)
    verdict, numbers = load_run(found.folder).get("verdict"), _numbers(found.differences)
    if as_json:
        details = {"warnings": found.cautions, "differences": rows_of(found.differences)}
        echo_json({"run": str(found.folder), **found_as_json(verdict, numbers, details)})
    elif verbose:
        echo(verdict_of(found.folder, {"verdict": verdict}))
        echo(short_table(found.differences.drop(columns=list(NOT_SHOWN))))
    else:
        echo_found(verdict_of(found.folder, {"verdict": verdict}), numbers, found.folder)
    echo(f"wrote {found.folder}/", err=True)


def _numbers(differences):
    """Return the headline differences, those of every run but the first."""
    from fmdiag.results.headline import headline

    several = differences["run"].nunique() > 1
    return [{**entry, "quantity": f"{name}: {entry['quantity']}" if several else entry["quantity"],
             "words": f"{name} minus {rows['against'].iloc[0]}: {entry['words']}"}
            for name, rows in differences.groupby("run", sort=False)
            for entry in headline(rows.drop(columns=["run", "against", "first", "other", "p"]), {})]
