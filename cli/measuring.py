"""Commands made from cards: a diagnostic's options and help, one call of the library, the summary on the terminal."""

import contextlib
import itertools
from pathlib import Path
from typing import Any

import click

from fmdiag.errors import FmdiagError

from .echo import hidden
from .grouped import Grouped, GroupedCommand
from .options import CONVENTION, DATA, DECODER, MISMATCHES, RUN, added
from .options_of import options_of
from .shown import show, typed_command

# Options of the command line -> names of `fmdiag.Run`, where they differ.
RENAMED = {"n_rows": "n", "dataset": "train"}


def command_of(card, checkpoint_option=None):
    """Return the click command of a diagnostic's card.

    Parameters
    ----------
    card : Diagnostic
    checkpoint_option : str, optional
        The option that names the checkpoint, where it is no argument.
    """
    parameters, shared = options_of(card.parameters), [*DATA, *MISMATCHES, *RUN, DECODER, *CONVENTION]
    names = {parameter.name for parameter in parameters}
    _check_free(card, parameters, added(shared, click.Command("shared")).params)

    def call(checkpoint=None, **options):
        own = {name: options.pop(name) for name in names & options.keys()}
        if "samples" in card.needs:
            check_data(checkpoint, own, options)
        made = card.own_data(own, options["seed"])
        if made is not None and (checkpoint is not None or options["dataset"] is not None):
            raise click.UsageError("these options bring their own data: leave CHECKPOINT and --dataset out")
        with opened(card.name, checkpoint, {**options, "dataset": options["dataset"] if made is None else made},
                    page=card.page) as run:
            run.measure(card, **own)

    command = GroupedCommand(card.name, callback=call, short_help=card.short, help=help_of(card),
                             params=[_checkpoint(card, checkpoint_option), *parameters])
    return added(shared, command)


def _check_free(card, own, shared):
    """Refuse a parameter of a diagnostic that is an option of every command."""
    taken = {word: option for option in shared for word in (option.name, *option.opts)}
    for parameter in own:
        for word in (parameter.name, *parameter.opts):
            if word in taken:
                raise FmdiagError(f"diagnostic {card.name!r}: its parameter {parameter.name!r} has the name of an "
                                  f"option of every command ({taken[word].opts[0]}): give it another name")


def _checkpoint(card, option):
    if option is not None:
        return Grouped([option, "checkpoint"], metavar="CKPT", type=click.Path(), help="Checkpoint of the model.")
    required = not {"field", "map", "states"}.isdisjoint(card.needs)
    return click.Argument(["checkpoint"], required=required, type=click.Path())


def help_of(card):
    """Return the text of `fmdiag NAME --help`."""
    examples = "".join(f"\n  {line}" for line in card.examples)
    return f"{card.question}\n\n{card.definition}" + (f"\n\n\b\nExamples:{examples}" if examples else "")


@contextlib.contextmanager
def opened(name, checkpoint, options, *, page=False, default="digits"):
    """Yield the Run of a command's options; afterwards it is saved, and its summary printed.

    With the option dry_run it measures nothing, and an estimate is printed.
    """
    import torch

    from fmdiag.runs import Run

    torch.set_flush_denormal(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    as_json, verbose, dry = (options.pop(word, False) for word in ("as_json", "verbose", "dry_run"))
    given: dict[str, Any] = {RENAMED[key] if key in RENAMED else key: value for key, value in options.items()}
    if checkpoint is None and given.get("train") is None:
        given["train"] = default
    if dry:
        with dry_run(name, checkpoint, given, page, as_json) as run:
            yield run
        return
    out = given.pop("out", None)
    out = (lambda training_set: _free(name, training_set)) if out is None else out
    with Run(checkpoint, name=name, out=out, new=True, command=typed_command(), anonymous=hidden(),
             **given) as run:
        yield run
        saved = run.page or run.save(page=page)
        run.leave()
    if run.speaks:
        show(run, saved, as_json, verbose)


@contextlib.contextmanager
def dry_run(name, checkpoint, given: dict[str, Any], page, as_json):
    """Yield the DryRun of a command's options, and print its estimate afterwards."""
    from fmdiag.runs.dry_run import DryRun

    from .estimated import show_estimate

    with DryRun(checkpoint, name=name, page=page, **given) as run:
        yield run
        found = run.estimate()
        run.leave()
    if run.speaks:
        show_estimate(name, found, as_json)


def _free(name, training_set):
    """Yield the names that a run folder may have, the first free one of which is taken."""
    from fmdiag.files.destination import slug

    base = Path("reports") / f"{name}-{slug(Path(training_set.name).stem)}"
    for k in itertools.count(1):
        yield base if k == 1 else base.with_name(f"{base.name}-{k}")


def check_data(checkpoint, own, options):
    """Refuse a command that has neither a model nor samples to measure."""
    if checkpoint is None and (own.get("samples") is None or options["dataset"] is None):
        raise click.UsageError("give a CHECKPOINT, or --samples together with the --dataset that was trained on")
