"""`fmdiag compare`: several runs side by side, with their differences."""

import click

from .echo import echo, echo_json

KIND = "comparison"


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
    import contextlib

    from fmdiag.report import compare
    from fmdiag.report.tables import NOT_SHOWN
    from fmdiag.results import RunFolder, check_destination
    from fmdiag.results.short_table import short_table
    from fmdiag.runs.parts import Parts, first_free

    if out is not None:
        check_destination(out, KIND, overwrite=overwrite)
    given = compare.read_runs(runs, None if labels is None else [label.strip() for label in labels.split(",")])
    cautions = compare.warnings(given)
    with contextlib.ExitStack() as stack:
        # Parts hold the lock, and clear up after a comparison that was killed.
        parts = stack.enter_context(Parts(out, KIND)) if out is not None else first_free(stack, _names(), KIND)
        folder = stack.enter_context(RunFolder(parts.out, KIND, overwrite=overwrite))
        table = _write(folder, given, cautions)
    for sentence in cautions:
        echo(f"Warning: {sentence}", err=True)
    if as_json:
        echo_json(_for_json(folder, cautions, table))
    else:
        echo(short_table(table.drop(columns=list(NOT_SHOWN))))
    echo(f"wrote {folder.out}/", err=True)


def _write(folder, runs, cautions):
    """Fill the folder with tables, run.json, figures and page; return the differences."""
    import datetime

    from fmdiag import __version__
    from fmdiag.figures import draw_all
    from fmdiag.report import compare, write_report

    from .shown import given_places, typed_command

    folder.places = given_places()
    started = datetime.datetime.now(datetime.UTC)
    summary, table = compare.compared(runs)
    folder.add_summary(summary)
    folder.write_summary()
    folder.add_table("differences", table)
    command, first = typed_command(), next(iter(runs.values())).run
    same = not any("fingerprints" in sentence for sentence in cautions)
    folder.add_json("run.json", {
        "fmdiag": __version__, "command": command, "name": "compare", "runs": compare.facts_of(runs),
        "diagnostics": {name: {"runs": list(runs), "command": command} for name in compare.shared(runs)},
        "dataset": first.get("dataset") if same else None, "checkpoint": None, "cautions": cautions,
        "verdict": compare.headline(table), "started": started.isoformat(timespec="seconds")})
    draw_all(folder.path)
    write_report(folder.path)
    return table


def _names():
    """Return the folders reports/compare-N, from 1 on."""
    import itertools
    from pathlib import Path

    return (Path("reports") / f"compare-{k}" for k in itertools.count(1))


def _for_json(folder, cautions, table):
    import json

    rows = json.loads(table.to_json(orient="records"))
    return {"run": str(folder.out), "warnings": cautions, "differences": rows}
