"""The `fmdiag` command: a group whose commands are imported when they are called, so that --help answers at once."""

import difflib
import importlib
import logging
import os
import sys

import click

from fmdiag import __version__
from fmdiag.ranks import torchrun as ranks

from .echo import echo
from .signals import Stopped, exit_code, listen

# Commands that are more than a card's. Those of cards stand before "study", in the order of their registry.
OWN = {
    "report": "Everything that applies to a checkpoint, as one page.",
    "audit": "The whole memorisation audit: controls, membership, provenance, one JSON.",
    "canaries": "Plant known images in a training set, to see later which come back.",
    "pairing": "Does training on fixed pairs memorise them? With and without noise on the path.",
    "train": "Train a flow matching model whose checkpoint every command reads.",
    "study": "Train a series of models and measure them: size, losses, time.",
    "watch": "Every checkpoint of a training run, as they come: from when on it is good, and copies.",
    "classifier": "Train the classifier in whose embedding studies measure.",
    "checkpoint": "What a checkpoint holds, and what was inferred about it.",
    "datasets": "The named data sets, and which of them are here.",
    "compare": "Several runs side by side: overlaid figures, differences with intervals.",
    "rerun": "Make a run again from its run.json, and name what differs.",
    "export": "Runs for a paper: table, methods, BibTeX, figures at a column's width.",
    "figures": "Redraw a run's figures from its tables, without computing.",
}
FIRST = ("report", "audit")


def commands():
    """Return {name: line of help} of all commands, those of registered diagnostics among them."""
    from fmdiag.diagnostics import DIAGNOSTICS

    cards = {name: card.short or card.question for name, card in DIAGNOSTICS.items() if card.command}
    return {name: OWN[name] for name in FIRST} | cards | OWN


def shared_by_ranks():
    """Return the commands whose work several processes share."""
    from fmdiag.diagnostics import DIAGNOSTICS

    shared = [name for name, card in DIAGNOSTICS.items() if card.ranks and card.command and name not in OWN]
    return ["report", "audit", "train", "study", "watch", "pairing", *shared]


class LazyGroup(click.Group):
    """Lists the commands with their one-line help and makes or imports a command only when it is called."""

    def list_commands(self, context):
        """Return the names in their order."""
        return list(commands())

    def get_command(self, context, name):
        """Return the command of a card, or the `command` of ``fmdiag.cli.NAME``."""
        if name in OWN:
            return importlib.import_module(f".{name}", __package__).command
        from fmdiag.diagnostics import DIAGNOSTICS

        if name not in commands():
            return None
        return importlib.import_module(".measuring", __package__).command_of(DIAGNOSTICS[name])

    def invoke(self, context):
        """Run the command; an interruption becomes `Stopped` with the exit code."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt as stop:
            raise Stopped(exit_code(stop)) from None

    def format_commands(self, context, formatter):
        """Write the list without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(commands().items()))

    def shell_complete(self, context, incomplete):
        """Return the commands that begin so, without importing any, and the options of `fmdiag` itself."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=text) for name, text in commands().items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, context, incomplete)

    def resolve_command(self, context, arguments):
        """Suggest the nearest name for an unknown one."""
        name = arguments[0]
        if name not in (known := commands()) and not context.resilient_parsing:  # as the shell asks what could follow
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            context.fail(f"no command {name!r}: {hint}choose from {', '.join(known)}")
        return super().resolve_command(context, arguments)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="fmdiag")
@click.option("--diagnostic", "files", multiple=True, type=click.Path(), is_eager=True, expose_value=False,
              callback=lambda context, parameter, files: _registered(files), help="Python file of yours with a "
              "fmdiag.Diagnostic, which becomes a command; may be given several times. Its code is run.")
def fmdiag():
    """Does a flow matching model memorise its training data?

    fmdiag compares a model with û*, the closed-form minimiser of its objective, which only reproduces training points.

    \b
    Examples:
      fmdiag report                                  the bundled checkpoint and data
      fmdiag alignment --dataset imagenette          no checkpoint needed
      fmdiag hybrid --tau 0.3 ckpt.pt
      fmdiag memorization --samples DIR --dataset DIR
    """


def _registered(files):
    if files:
        from fmdiag.runs.foreign import load_diagnostics

        for file in files:
            load_diagnostics(file)


def main():
    """Run the command line; wrong input gives one line on stderr and exit code 2, Ctrl-C gives 130."""
    listen()
    _only_our_messages()
    # Threads that wait by spinning slow everything several times on a machine with other work; read before torch loads.
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4", **os.environ}
    ranks.end(run(sys.argv[1:]))


def run(arguments):
    """Run `arguments`, our remarks a line each on stderr, and return the exit code."""
    logger, remarks = logging.getLogger("fmdiag"), Remarks()
    before = logger.level
    logger.addHandler(remarks)
    logger.setLevel(logging.INFO)
    try:
        return _run(arguments)
    finally:
        if "torch" in sys.modules:  # what commands set for speed is not left to whoever called this function
            sys.modules["torch"].set_flush_denormal(False)
        logger.removeHandler(remarks)
        logger.setLevel(before)


class Remarks(logging.Handler):
    """Prints what the library remarks, such as "resumed: ..."; names in it are those of files."""

    def emit(self, record):
        """Print one record."""
        from fmdiag.errors import one_line

        echo(one_line(record.getMessage()), err=True)


def _run(arguments):
    from fmdiag.errors import FmdiagError

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names may hold what no encoding has: shown escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        if ranks.world()[1] > 1:
            ranks.check(arguments, shared_by_ranks())
        return fmdiag.main(args=arguments, prog_name="fmdiag", standalone_mode=False, obj=list(arguments)) or 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _fail(_usage(error))
    except Stopped as stop:
        reason = "interrupted" if ranks.world()[1] == 1 else "interrupted, as it is when another rank has ended"
        return _fail(f"{reason}; no run folder was written", stop.args[0])
    except FmdiagError as error:
        return _fail(error)
    except BrokenPipeError:
        return _closed_stdout()
    except OSError as error:
        return _fail(_system_error(error))
    except (MemoryError, RuntimeError) as error:
        from .machine import machine_error

        if (message := machine_error(error)) is None:
            raise
        return _fail(message)


def _fail(message, code=2):
    message = ranks.signed(message)
    if message is not None:
        click.echo(f"Error: {' '.join(str(message).split())}", err=True)
    return code


def _usage(error):
    """Return click's message with the command it belongs to, and where to read what is accepted."""
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message}; see {context.command_path} --help"


def _system_error(error):
    from fmdiag.results import remedy

    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; {remedy(error)}"


def _closed_stdout():
    # The reader of a pipe left, as `head` does: nobody is there to be told, and Python must not try again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _only_our_messages():
    """Show our own warnings and remarks, a line each on stderr; those of libraries mean nothing to a user."""
    import warnings

    def show(message, category, *place, **file):
        from fmdiag.errors import FmdiagWarning

        if issubclass(category, FmdiagWarning):
            echo(f"Warning: {' '.join(str(message).split())}", err=True)

    warnings.showwarning = show
    # A handler at the root, though it does nothing, keeps logging from printing what libraries log.
    logging.getLogger().addHandler(logging.NullHandler())


if __name__ == "__main__":
    main()
