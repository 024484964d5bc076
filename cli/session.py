"""One run of a measuring command: its data, checkpoint, seed and device, and the run folder that it fills."""

import contextlib
import datetime
import signal
import sys
import time

import click

from fmdiag.files.places import shown_path

from . import part_content, ranks, session_inputs, session_outputs
from .part_key import key_of
from .parts import Parts
from .remake import remaking


class Session(contextlib.ExitStack):
    """Everything a command needs; use it as a context manager.

    Parameters
    ----------
    name : str
        Command name.
    options : dict
        The values of `options.run_options`.
    checkpoint : path, optional
        Checkpoint to load.
    rows : TrainingSet, optional
        The data, where the command makes them itself instead of reading them.
    renamed : dict, optional
        Diagnostic -> {its parameter: what this command calls it}, where the names differ.
    """

    def __init__(self, name, options, checkpoint=None, renamed=None, rows=None):
        super().__init__()
        self.name, self.options, self.checkpoint_file, self.rows = name, options, checkpoint, rows
        self.renamed, self.parameters, self.facts, self.page = renamed or {}, {}, {}, False
        self.drawn, self.found_spaces, self.checkpoint_facts = {}, {}, None
        # (what run.json says, all summary rows) -> the document that `NAME.json` holds and --json prints.
        self.compose = self.document = self.parts = None

    def __enter__(self):
        """Load data and checkpoint, then open the run folder; nothing is written before all input was checked."""
        import torch

        from fmdiag.posterior.empirical import shared_memory
        from fmdiag.results import RunFolder, check_destination

        super().__enter__()
        self.started, self.clock = datetime.datetime.now(datetime.UTC), time.monotonic()
        torch.set_flush_denormal(True)
        torch.backends.cuda.matmul.allow_tf32 = False
        self.group, self.device = ranks.join(session_inputs.choose_device(self.options["device"]))
        self.memory = shared_memory(self.options["memory"], self.device, self.group)
        with self._abandoned_on_failure():  # __exit__ is called for what was entered only
            if self.options["out"] is not None and self.speaks:
                # First of all: another process that writes there, or a run that is there, is known before any work.
                self.parts = self.enter_context(Parts(self.options["out"]))
                check_destination(self.options["out"], overwrite=self.options["overwrite"])
            with ranks.one_first(self.group):
                self.checkpoint = self.load_checkpoint()
                self.training_set = session_inputs.open_training_set(self)
                self.decoder = session_inputs.open_decoder(self)
            self.path = self.checkpoint.path if self.checkpoint else None
            if self.speaks:
                self.parts = self.parts or session_inputs.free_parts(self)
                self.folder = self.enter_context(RunFolder(self.parts.out, overwrite=self.options["overwrite"]))
                self.folder.places = session_outputs.given_places()
                self.parts.of(self.folder)
        return self

    def part(self, name, run, **parameters):
        """Call ``run(self, **parameters)``, or take what it recorded before the run was interrupted."""
        found = key = None
        if self.speaks:
            key, before = key_of(self, name, parameters), part_content.state(self)
            found = self.parts.has(key)
        if self.group.size > 1:
            import torch

            found = bool(self.group.same(torch.tensor([int(bool(found))])).item())
        if not found:
            with part_content.Hearing() as heard:
                run(self, **parameters)
        if self.speaks and found:
            self.parts.restore(self, name, key)
        elif self.speaks:
            self.parts.save(self, key, before, heard)

    def kept(self, name, parameters, compute):
        """Return the tensor that `compute` makes, computed once whatever interrupts the run; with ranks, each time."""
        if self.group.size > 1:
            return compute()
        import torch

        key = key_of(self, "samples", {"of": name, **parameters})
        return torch.from_numpy(self.parts.array(name, key, lambda: compute().cpu().numpy()))

    @property
    def speaks(self):
        """Whether this process is the one that writes, draws and prints: rank 0."""
        return self.group.rank == 0

    def __exit__(self, kind, error, traceback):
        """Draw the figures and write run.json before the folder gets its name; then print the summary."""
        if kind is None:
            ranks.leave(self.group)
        elif self.group.size > 1:
            # torchrun's signal to a rank that is ending already must not interrupt its clearing up.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if kind is None and self.speaks:
            with self._abandoned_on_failure():
                self.folder.summaries = [self.cautioned(rows) for rows in self.folder.summaries]
                self.folder.write_summary()
                session_outputs.write_records(self)
                session_outputs.draw(self)
                self.parts.about_to_publish()
        result = super().__exit__(kind, error, traceback)
        if kind is None and self.speaks:
            session_outputs.show(self)
        return result

    @contextlib.contextmanager
    def _abandoned_on_failure(self):
        try:
            yield
        except BaseException:
            super().__exit__(*sys.exc_info())
            raise

    def load_checkpoint(self, **changes):
        """Return the checkpoint under the options, some of them changed; None for commands without one."""
        return session_inputs.open_checkpoint(self, **changes)

    def progress(self, iterable, description, total=None):
        """Return `iterable`, its progress shown on stderr."""
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        return track(iterable, description, total=total, console=console, transient=True,
                     disable=not (console.is_terminal and self.speaks))

    def add_arrays(self, name, arrays):
        """Keep pictures that the page shows beside those of the figures; nothing where there are none."""
        if self.speaks and arrays:
            self.folder.add_array(name, **arrays)

    def record(self, diagnostic, table, summary, parameters, **arrays):
        """Keep a raw table, its summary rows, the parameters that made it and the pictures its figures show."""
        if not self.speaks:
            return
        self.folder.add_table(diagnostic, self.cautioned(table))
        self.folder.add_summary(summary)
        self.parameters[diagnostic] = {**parameters, "command": self.command_for(diagnostic)}
        if arrays:
            self.folder.add_array(diagnostic, **arrays)

    def add_table(self, name, table):
        """Keep a further table of a diagnostic that was recorded."""
        if self.speaks:
            self.folder.add_table(name, self.cautioned(table))
            # The page shows it where the diagnostic recorded last is shown.
            list(self.parameters.values())[-1].setdefault("tables", []).append(name)

    def caution(self, text):
        """Note, once, what the results are to be read with: a sentence that begins with its code."""
        if text not in self.facts.get("cautions", ()):
            self.facts["cautions"] = [*self.facts.get("cautions", ()), text]

    def caution_of(self, table):
        """Note what a diagnostic says was left out of its table."""
        if "diverged" in table.attrs:
            self.caution(f"diverged: {table.attrs['diverged']}")

    def cautioned(self, table):
        """Return the table with a column of codes where something would mislead a reader of the results."""
        codes = "; ".join(dict.fromkeys(text.partition(":")[0] for text in session_outputs.cautions(self)))
        return table.assign(caution=codes) if codes else table

    def command_for(self, diagnostic):
        """Return the command line that makes this diagnostic again."""
        context = click.get_current_context(silent=True)
        values = self.options | (context.params if context else {})
        checkpoint = self.checkpoint_file and shown_path(self.checkpoint_file)
        return remaking(diagnostic, values, checkpoint, self.renamed.get(diagnostic, {}))
