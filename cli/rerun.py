"""`fmdiag rerun`: a run made again by its own command line, and what came out otherwise."""

import contextlib
import io
import json
from pathlib import Path

import click

from fmdiag.errors import FmdiagError

from .echo import echo, echo_json


@click.command()
@click.argument("run", type=click.Path())
@click.option("--out", type=click.Path(file_okay=False), help="Folder of the new run.  [default: RUN-rerun]")
@click.option("--place", "places", multiple=True, metavar="NAME=PATH", help="Where a file of the run lies now, for one "
              "outside the working folder, of which run.json holds the name alone; several may be given.")
@click.option("--tolerance", type=click.FloatRange(0), default=1e-5, show_default=True, help="Largest difference that "
              "is rounding, in units of the largest absolute value of a table's column.")
@click.option("--trust-code", is_flag=True, help="Make a run again whose command runs code in files.")
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON on stdout.")
def command(run, out, places, tolerance, trust_code, as_json):
    """Make the run of RUN, a run folder or its run.json, again in a new folder and name what differs.

    The exit code is 0 where all tables are the same up to rounding, 1 where one is not. RUN itself is left as it is.

    \b
    Examples:
      fmdiag rerun reports/report-digits
      fmdiag rerun theirs/run.json --place ckpt.pt=models/ckpt.pt --out reports/checked
    """
    from fmdiag.results.rerun import changed_facts, command_of, differences, with_places

    folder = Path(run).parent if Path(run).name == "run.json" else Path(run)
    out = f"{folder.absolute()}-rerun" if out is None else out
    words = with_places(command_of(folder, trust_code), places)
    _run([*words, "--out", out])
    found, facts = differences(folder, out, tolerance), changed_facts(folder, out)
    if as_json:
        echo_json({"run": str(folder), "rerun": str(out), "same": bool(found["same"].all()), "changed": facts,
                   "differences": json.loads(found.to_json(orient="records"))})
    else:
        _show(found, facts)
    if not found["same"].all():
        raise click.exceptions.Exit(1)


def _run(words):
    """Run a command of ours in this process; what it would print on stdout is not ours to show."""
    from .main import OWN, commands, fmdiag

    name = next((word for word in words if word in commands()), None)
    if name in OWN and name not in ("report", "audit", "pairing"):
        raise click.UsageError(f"the run was made by fmdiag {name}: rerun makes measurements again, report, audit and "
                               "single diagnostics; give that command itself")
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            fmdiag.main(args=words, prog_name="fmdiag", standalone_mode=False, obj=list(words))
        except FmdiagError as error:
            if "no such" in str(error):
                raise FmdiagError(f"{error}; where it lies elsewhere here, give --place NAME=PATH") from error
            raise


def _show(found, facts):
    for fact in facts:
        echo(fact)
    for row in found.to_dict("records"):
        what = f"{row['table']}.{row['column']}" if row["column"] else f"{row['table']}: other rows, or in one run only"
        size = "" if row["largest"] != row["largest"] else f", largest {row['largest']:.2g} of the column's largest"
        rows = "" if row["rows"] != row["rows"] else f": {row['rows']:g} rows differ"
        echo(f"{what}{rows}{size}{' (rounding)' if row['same'] else ''}")
    different = sorted(set(found.loc[~found["same"], "table"]))
    echo(f"tables that differ: {', '.join(different)}" if different else "all tables are the same up to rounding"
         if len(found) else "all tables are equal, bit for bit")
