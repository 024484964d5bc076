"""`fmdiag watch`: every checkpoint of a folder, those that are there or as they come, as curves along training."""

from pathlib import Path

import click

from .grouped import GroupedCommand, option
from .options import ANONYMOUS, COMPUTING, CONVENTION, DATA, DRY, MISMATCHES, OUT, added

SHOWN = ("error_train", "gap", "f_mem", "f_mem_heldout", "auc", "frechet_test")
SHARED = [*DATA, *MISMATCHES, *COMPUTING, *OUT, ANONYMOUS, DRY, *CONVENTION]


@click.command(cls=GroupedCommand)
@click.argument("folder", type=click.Path())
@option("Options", "--follow", is_flag=True, help="Wait for further checkpoints, until --until or --idle ends it, or "
        "Ctrl-C.")
@option("Options", "--poll", type=click.FloatRange(0.05), default=5.0, show_default=True, help="Seconds between two "
        "looks at the folder.")
@option("Options", "--until", type=click.IntRange(0), metavar="STEP", help="Follow until a checkpoint of this step or "
        "of a later one is measured.")
@option("Options", "--idle", type=click.FloatRange(0), metavar="SECONDS", help="Follow until none has come for so "
        "long.")
@option("Options", "--n-pairs", type=click.IntRange(8), default=64, show_default=True, help="Pairs, samples judged as "
        "copies, and examples of each kind.")
@option("Options", "--n-samples", type=click.IntRange(0), default=256, show_default=True, help="Samples of the test "
        "distance, more than 64; 0 for none.")
@option("Options", "--measure", "measures", multiple=True, metavar="NAME", help="error, gap, f_mem or membership; may "
        "be given several times.  [default: all that apply]")
def command(folder, **options):
    """Measure the checkpoints in FOLDER along training: when is the model good, and when does it begin to copy?

    Each checkpoint is measured once, when it is whole. The same command goes on where it was stopped. One row per
    checkpoint and quantity; a page with curves, tau_gen and tau_mem. False alarms stay below 5 % however many
    checkpoints come.

    \b
    Examples:
      fmdiag watch runs/mine/checkpoints
      fmdiag watch runs/mine/checkpoints --follow --idle 3600
      fmdiag watch runs/mine/checkpoints --dataset cifar10 --follow --until 100000 --out reports/mine
    """
    import torch

    from fmdiag.monitoring.dry_run import dry_run
    from fmdiag.monitoring.watch import default_out, watch

    from .estimated import show_estimate
    from .measuring import RENAMED
    from .shown import given_places, typed_command
    from .study_run import interruptible

    torch.set_flush_denormal(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    given = {RENAMED.get(name, name): value for name, value in options.items() if value is not None}
    verbose = given.pop("verbose", False)
    as_json, out = given.pop("as_json"), given.pop("out", None) or default_out(folder)
    if given.pop("dry_run"):
        show_estimate("watch", dry_run(folder, out=out, **given), as_json)
        return
    with interruptible(out):
        found = watch(folder, out=out, report=_report, command=typed_command(), places=given_places(), **given)
    if found is not None:
        _print(found, out, as_json, verbose)


def _report(step, name, table):
    """Say on stderr which checkpoint was looked at, and what was found there."""
    from .echo import echo

    values = table.drop_duplicates("quantity").set_index("quantity")["value"]
    shown = ", ".join(f"{quantity} {values[quantity]:.3g}" for quantity in ("f_mem", "auc", "frechet_test")
                      if quantity in values)
    echo(f"step {step} ({name}): {shown}", err=True)


def _print(found, out, as_json, verbose):
    from fmdiag.results.headline import headline

    from .echo import echo, echo_json
    from .shown import echo_found, found_as_json, rows_of

    verdict = found.verdict.describe()
    numbers = headline(found.summary, {"verdict": verdict})
    if as_json:
        details = {"verdict": verdict, **found.facts, "summary": rows_of(found.summary)}
        echo_json({"watch": str(out), **found_as_json(verdict, numbers, details)})
        return
    if verbose:
        for sentence in (found.verdict.text, _short(found.table), *found.verdict.details):
            echo(sentence)
    else:
        echo_found(found.verdict.text, numbers, out)
    echo(f"wrote {Path(out)}/", err=True)


def _short(table):
    """Return a line per step with the quantities that judge, and their intervals."""
    from fmdiag.studies.judgement import number

    cells = [number((row.value, row.low, row.high)) for row in table.itertuples()]
    shown = table.assign(cell=cells)[table["quantity"].isin(SHOWN) & table["value"].notna()]
    wide = shown.pivot_table(index=["step", "checkpoint"], columns="quantity", values="cell", aggfunc="first")
    return wide[[name for name in SHOWN if name in wide]].reset_index().to_string(index=False, na_rep="")


added(SHARED, command)
