"""What `fmdiag train` does: train into a run folder with progress shown, and print where the checkpoint is."""

import contextlib
import os
import shlex
import signal
from pathlib import Path

import click

from fmdiag.ranks import torchrun as ranks

from .echo import echo, echo_json, named
from .shown import given_places, typed_command

# Options of the command line -> names of `train_into`, where they differ.
RENAMED = {"kind": "network", "path_name": "path", "n_rows": "n"}


def run_training(*, out, as_json, monitor, monitor_budget, **options):
    """Train as the options of `fmdiag train` say, and print where the checkpoint is."""
    import torch

    from fmdiag.files.destination import slug
    from fmdiag.runs.training import train_into

    # Denormal weights and gradients slow a CPU down severalfold.
    torch.set_flush_denormal(True)
    out = Path(f"reports/train-{slug(Path(options['dataset'] or 'digits').stem)}" if out is None else out)
    monitors = []
    with contextlib.ExitStack() as closing:
        looks = monitor and _monitored(out, monitor, monitor_budget, closing, monitors)
        record = train_into(out, progress=_shown(out), command=typed_command(), places=given_places(), monitor=looks,
                            **{RENAMED.get(name, name): value for name, value in options.items()})
    if record is not None:
        _report(record, out, as_json, [one.onsets() for one in monitors])


def _monitored(out, every, budget, closing, monitors):
    """Return what makes the callback of `fmdiag.train`; the ExitStack `closing` closes its Monitor, kept in a list."""
    from fmdiag.monitoring import Monitor

    def begun(training_set, path, device):
        monitor = closing.enter_context(Monitor(training_set, every=every, budget=budget or None, n=64, out=out,
                                                path=path, device=device))
        monitors.append(monitor)
        return lambda state: monitor(state.step, state.module, ema=state.ema)

    return begun


@contextlib.contextmanager
def _shown(out):
    """Show the progress on the first rank; an interruption says how to go on."""
    from fmdiag.runs.progress import TrainingProgress

    try:
        with TrainingProgress() if ranks.world()[0] == 0 else contextlib.nullcontext() as progress:
            yield progress
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        echo(f"interrupted; continue with: fmdiag train --resume --out {out}", err=True)
        raise click.exceptions.Exit(128 + number) from None


def _report(record, out, as_json, onsets=()):
    result = {"run": str(out), "checkpoint": str(out / record["checkpoint"]["file"]), "steps": record["steps"],
              "final_loss": record["final_loss"], "precision": record["dtype"], "seconds": record["seconds"]}
    for row in (row for table in onsets for row in table.itertuples()):
        reached = isinstance(row.note, float)
        plain = {"value": row.value, "low": row.low, "high": row.high} if reached else None
        result[row.quantity] = plain if as_json else f"{row.value:.0f}, after {row.low:.0f}" if reached else row.note
    if as_json:
        echo_json(result)
        return
    for name, value in named(result).items():
        echo(f"{name:<12} {value:.4g}" if isinstance(value, float) else f"{name:<12} {value}")
    echo(f"next: fmdiag report {result['checkpoint']}{_asked_for(record['dataset'])}", err=True)


def _asked_for(recorded):
    """Return the options that name data outside the working folder, which a checkpoint does not."""
    places = {option: recorded.get(name) for name, option in (("source", "--dataset"), ("held_out", "--held-out"))}
    return "".join(f" {option} {shlex.quote(place)}" for option, place in places.items()
                   if isinstance(place, str) and os.path.isabs(place) and not Path(place).is_relative_to(Path.cwd()))
