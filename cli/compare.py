"""`fmdiag compare`: several runs side by side, with their differences."""

import json

import click

from .echo import echo, echo_json
from .shown import given_places, typed_command


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path())
@click.option("--labels", help="Names of the runs, separated by commas, in their order.  [default: folder names]")
@click.option("--out", type=click.Path(file_okay=False), help="Folder of the comparison.  [default: reports/compare-N]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier comparison once the new one is complete.")
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON on stdout.")
def command(runs, labels, out, overwrite, as_json):
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
    from fmdiag.results.short_table import short_table

    names = None if labels is None else [label.strip() for label in labels.split(",")]
    found = write_comparison(runs, out, labels=names, overwrite=overwrite, command=typed_command(),
                             places=given_places())
    for sentence in found.cautions:
        echo(f"Warning: {sentence}", err=True)
    if as_json:
        rows = json.loads(found.differences.to_json(orient="records"))
        echo_json({"run": str(found.folder), "warnings": found.cautions, "differences": rows})
    else:
        echo(short_table(found.differences.drop(columns=list(NOT_SHOWN))))
    echo(f"wrote {found.folder}/", err=True)
