"""The `fmdiag` command: a group whose commands are imported when they are called, so that --help answers at once."""

import difflib
import importlib
import sys

import click

COMMANDS = {
    "report": "Everything that applies to a checkpoint, as one page.",
    "alignment": "Is û* stochastic? Its alignment with x1 - x0 over time and dimension.",
    "error": "Where does the model leave û*? ||u_theta - û*|| per time.",
    "hybrid": "When is generalisation decided? û* until tau, the model afterwards.",
    "memorization": "Are samples copies? Nearest training images, with controls.",
    "train": "Train a flow matching model whose checkpoint every command reads.",
    "checkpoint": "What a checkpoint holds, and what was inferred about it.",
    "datasets": "The named data sets, and which of them are here.",
    "figures": "Redraw a run's figures from its tables, without computing.",
}


class LazyGroup(click.Group):
    """Lists COMMANDS with their one-line help and imports a command's module only when it is called."""

    def list_commands(self, context):
        """Return the names in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, context, name):
        """Import ``fmdiag.cli.NAME`` and return its `command`."""
        if name not in COMMANDS:
            return None
        return importlib.import_module(f".{name.replace('-', '_')}", __package__).command

    def format_commands(self, context, formatter):
        """Write the list without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, context, arguments):
        """Suggest the nearest name for an unknown one."""
        name = arguments[0]
        if name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            context.fail(f"no command {name!r}: {hint}choose from {', '.join(COMMANDS)}")
        return super().resolve_command(context, arguments)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="fmdiag")
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


def main():
    """Run the command line; wrong input gives one line on stderr and exit code 2, Ctrl-C gives 130."""
    sys.exit(run(sys.argv[1:]))


def run(arguments):
    """Run `arguments` and return the exit code."""
    from fmdiag.errors import FmdiagError

    try:
        return fmdiag.main(args=arguments, prog_name="fmdiag", standalone_mode=False) or 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code if isinstance(error, click.UsageError) else 2
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted; no run folder was written", 130)
    except FmdiagError as error:
        return _fail(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}; free some space or choose another folder with --out")
    except MemoryError as error:
        return _fail(f"out of memory ({error}); try a smaller --memory, --n-pairs or --n-samples")


def _fail(message, code=2):
    click.echo(f"Error: {' '.join(str(message).split())}", err=True)
    return code


if __name__ == "__main__":
    main()
