"""What `fmdiag study` does: plan, make the parts that are missing together with other processes, gather, print."""

import contextlib
import signal
import time
from pathlib import Path

import click

from fmdiag.ranks import torchrun as ranks

from .echo import echo, echo_json

PLAIN_LINE_SECONDS = 30
READING = ("dataset", "feature", "trust_code", "data_root", "offline", "size", "held_out", "skip_bad", "value_range",
           "orientation", "groups")


def run_study(kind, *, device, out, parts, gather, change, as_json, verbose=False, dry_run=False, **settings):
    """Make or continue the study that the options describe, and print what it found."""
    import torch

    from fmdiag.devices import choose_device
    from fmdiag.files.destination import slug
    from fmdiag.studies.settings import load_data, make_plan
    from fmdiag.studies.study import Study

    from .shown import given_places, typed_command

    torch.set_flush_denormal(True)
    choose_device(device)  # refused before anything is read
    data = load_data(**{name: settings.pop(name) for name in READING})
    plan = make_plan(kind, data, **settings)
    out = f"reports/study-{kind}-{slug(Path(data.training_set.name).stem)}" if out is None else out
    if dry_run:
        _estimate(kind, plan, data, out, parts, change, device, as_json)
        return
    study = Study(plan, data, out, parts=parts, change=change, command=typed_command(), places=given_places())
    if not gather:
        with interruptible(study.folder.path):
            study.run(device=device, progress=Progress(), report=_report_part)
    if ranks.world()[0] == 0:
        _print(study.gather(), as_json, verbose)


def _estimate(kind, plan, data, out, parts, change, device, as_json):
    """Print what the study would train, and an estimate of its time."""
    from fmdiag.devices import choose_device
    from fmdiag.studies.dry_run import dry_run

    from .estimated import show_estimate

    found = dry_run(plan, data, out, parts=parts, change=change, device=choose_device(device))
    if ranks.world()[0] == 0:
        show_estimate(f"study {kind}", found, as_json)


def _print(found, as_json, verbose):
    from fmdiag.results.headline import headline

    from .shown import echo_found, found_as_json, rows_of

    numbers = headline(found.tables["summary"], {"verdict": found.verdict})
    if as_json:
        details = {**found.counts, "verdict": found.verdict, "summary": rows_of(found.tables["summary"])}
        echo_json({"study": str(found.folder), **found_as_json(found.verdict, numbers, details)})
        return
    if verbose:
        for sentence in (found.verdict["text"], found.text, *found.verdict["details"]):
            echo(sentence)
    else:
        echo_found(found.verdict["text"], numbers, found.folder)
    echo(f"{found.counts['finished']} of {found.counts['parts']} parts finished; wrote {found.folder}/", err=True)


@contextlib.contextmanager
def interruptible(out):
    """End with a line on stderr where the work is stopped; what is finished in `out` is kept."""
    try:
        yield
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        echo(f"interrupted; finished parts in {out} are kept: run the same command to go on", err=True)
        raise click.exceptions.Exit(128 + number) from None


def _report_part(part, finished, total):
    echo(f"{finished}/{total} parts finished ({_named(part)})", err=True)


class Progress:
    """Shows on stderr, a line every half minute, which model trains and how far it is."""

    def __init__(self):
        self.shown = time.monotonic()

    def __call__(self, part, step, loss, steps):
        """Show that `step` of `steps` steps of a part's model are taken."""
        if time.monotonic() - self.shown > PLAIN_LINE_SECONDS:
            echo(f"{_named(part)}: step {step}/{part.inputs['evaluate'][-1]}  loss {loss:.4g}", err=True)
            self.shown = time.monotonic()


def _named(part):
    from fmdiag.training import label, width_of

    data = part.inputs["data"]
    trained = part.kind == "training"
    what = f"{label(part.inputs['objective'])}, width {width_of(part.inputs['network'])}" if trained else "reference"
    return f"{what}, n = {data['n']}, seed {part.inputs['seed']}"
