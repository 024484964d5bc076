"""One run of a measuring command: its data, checkpoint, seed and device, and the run folder that it fills."""

import contextlib
import datetime
import itertools
import json
import shlex
import signal
import sys
import time
from pathlib import Path

import click

from . import part_content, ranks
from .options import CHOICES
from .part_key import key_of
from .parts import Parts
from .remake import remaking

# Options that `load_dataset` takes under the same name.
READING = ("split", "size", "hflip", "held_out", "data_root", "skip_bad", "value_range", "offline")


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

        from fmdiag.results import RunFolder

        super().__enter__()
        self.started, self.clock = datetime.datetime.now(datetime.UTC), time.monotonic()
        torch.set_flush_denormal(True)
        torch.backends.cuda.matmul.allow_tf32 = False
        self.group, self.device = ranks.join(choose_device(self.options["device"]))
        with self._abandoned_on_failure():  # __exit__ is called for what was entered only
            if self.options["out"] and self.speaks:
                # First of all: another process that writes there, or a run that is there, is known before any work.
                self.parts = self.enter_context(Parts(self.options["out"]))
                RunFolder(self.options["out"], overwrite=self.options["overwrite"])
            with ranks.one_first(self.group):
                self.checkpoint = self.load_checkpoint()
                self.training_set = self._load_training_set()
                self.decoder = self._load_decoder()
            self.path = self.checkpoint.path if self.checkpoint else None
            if self.speaks:
                self.parts = self.parts or self._free_parts()
                self.folder = self.enter_context(RunFolder(self.parts.out, overwrite=self.options["overwrite"]))
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
                self.folder.write_summary()
                self._write_records()
                self._draw()
                self.parts.about_to_publish()
        result = super().__exit__(kind, error, traceback)
        if kind is None and self.speaks:
            self._print()
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
        if self.checkpoint_file is None:
            return None
        from fmdiag.checkpoints import load_checkpoint

        choices = {name: self.options.get(name) for name in CHOICES}
        return load_checkpoint(self.checkpoint_file, device=self.device, **choices | changes)

    def _load_training_set(self):
        if self.rows is not None:
            return self.rows
        wanted = {"n": self.options["n_rows"], **{name: self.options[name] for name in READING}}
        if self.checkpoint is not None:
            # What was not given is as the checkpoint records it. Only --no-hflip is given where it is False.
            given = {name: value for name, value in wanted.items()
                     if value is not None and (value is not False or name == "hflip")}
            given.pop("split") if given["split"] == "train" else None
            return self.checkpoint.training_set(self.options["dataset"], **given,
                                                allow_mismatch=self.options.get("allow_mismatch", False))
        from fmdiag.datasets import load_dataset

        wanted["hflip"] = bool(wanted["hflip"])
        return load_dataset(self.options["dataset"] or "digits", **wanted)

    def _load_decoder(self):
        """Return the decoder, tried on a training row, and note what the pictures show; None for other commands."""
        if "decoder" not in self.options:
            return None
        from fmdiag.checkpoints import is_latent, load_decoder
        from fmdiag.diagnostics.pictures import note

        file = self.options["decoder"]
        decoder = None if file is None else load_decoder(file, device=self.device)
        if decoder is not None:
            decoder(self.training_set[[0]])
            self.facts["decoder"] = decoder.description
        said = note(self.training_set, latents=is_latent(self.checkpoint), decoder=decoder)
        self.facts |= {} if said is None else {"pictures": said}
        return decoder

    def _free_parts(self):
        """Take a name for a run that was given none: the first that is neither there nor being written."""
        from fmdiag.errors import FmdiagError

        stem = Path(self.training_set.name).stem or "data"
        base = Path("reports") / f"{self.name}-{stem}"
        if self.options["overwrite"]:
            return self.enter_context(Parts(base))
        for k in itertools.count(1):
            path = base if k == 1 else base.with_name(f"{base.name}-{k}")
            if path.exists():
                continue
            found = Parts(path)
            try:
                return self.enter_context(found)
            except FmdiagError:
                if not found.lock.taken:
                    raise

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
        self.folder.add_table(diagnostic, self._cautioned(table))
        self.folder.add_summary(summary)
        self.parameters[diagnostic] = {**parameters, "command": self.command_for(diagnostic)}
        if arrays:
            self.folder.add_array(diagnostic, **arrays)

    def add_table(self, name, table):
        """Keep a further table of a diagnostic that was recorded."""
        if self.speaks:
            self.folder.add_table(name, self._cautioned(table))
            # The page shows it where the diagnostic recorded last is shown.
            list(self.parameters.values())[-1].setdefault("tables", []).append(name)

    def _cautioned(self, table):
        """Return the table with a column of codes where something about the checkpoint would mislead."""
        sentences = self.checkpoint.description.get("warnings") if self.checkpoint else None
        codes = "; ".join(text.partition(":")[0] for text in sentences or ())
        return table.assign(caution=codes) if codes else table

    def command_for(self, diagnostic):
        """Return the command line that makes this diagnostic again."""
        context = click.get_current_context(silent=True)
        values = self.options | (context.params if context else {})
        checkpoint = self.checkpoint_file and relative(self.checkpoint_file)
        return remaking(diagnostic, values, checkpoint, self.renamed.get(diagnostic, {}))

    def _record(self):
        from fmdiag import __version__

        checkpoint = None
        if self.checkpoint is not None:
            checkpoint = {"file": relative(self.checkpoint_file), "sha256": self.checkpoint.sha256,
                          **self.checkpoint.description}
        return {"fmdiag": __version__, "command": typed_command(), "name": self.name,
                "diagnostics": self.parameters, "dataset": self.training_set.describe(), "checkpoint": checkpoint,
                "seed": self.options["seed"], "device": str(self.device), "ranks": self.group.size,
                "dtype": "float32, û* in float64", "versions": versions(),
                "started": self.started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - self.clock, 1), **self.facts}

    def _write_records(self):
        import pandas as pd

        if self.compose is not None:
            self.document = self.compose(self._record(), pd.concat(self.folder.summaries, ignore_index=True))
            self.folder.add_json(f"{self.name}.json", self.document)
            # What the page shows of it.
            self.facts |= {"verdict": {"text": self.document["verdicts"][0]["text"], "details": [
                f"{entry['question']} {entry['answer'].capitalize()}. {entry['text']}"
                for entry in self.document["verdicts"]]}, "limits": self.document["limits"],
                "advice": self.document["advice"]}
        self.folder.add_json("run.json", self._record())

    def _draw(self):
        from fmdiag.errors import FmdiagError
        from fmdiag.figures import draw_all
        from fmdiag.report import write_report

        try:
            draw_all(self.folder.path)
            if self.page:
                write_report(self.folder.path)
        except FmdiagError as error:
            # The temporary folder is gone when the message is read.
            raise FmdiagError(str(error).replace(str(self.folder.path), str(self.folder.out))) from error

    def _print(self):
        from fmdiag.results import load_table

        summary = load_table(self.folder.out, "summary")
        if self.options["as_json"] and self.document is not None:
            click.echo(json.dumps({"run": str(self.folder.out), **self.document}, default=str))
        elif self.options["as_json"]:
            rows = json.loads(summary.to_json(orient="records"))
            click.echo(json.dumps({"run": str(self.folder.out), **self.facts, "summary": rows}))
        else:
            from .tables import short_table

            click.echo(short_table(summary))
            for key, fact in self.facts.items():
                fact = fact.get("details") if isinstance(fact, dict) else fact
                if isinstance(fact, list):
                    click.echo("\n  ".join([f"{key}:", *fact]))
                elif isinstance(fact, str):
                    click.echo(f"{key}: {fact}")
        click.echo(f"wrote {self.folder.out}/", err=True)


def relative(path):
    """Return the path as seen from the working directory where it lies below it, else as it was given."""
    path = Path(path)
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)


def typed_command():
    """Return the command line as it was typed: the root context of click keeps the words."""
    context = click.get_current_context(silent=True)
    words = context.find_root().obj if context else None
    return shlex.join(["fmdiag", *(sys.argv[1:] if words is None else words)])


def choose_device(name):
    """Return the torch device; ``auto`` is CUDA where there is one (MPS has no float64, which û* needs).

    Raises
    ------
    FmdiagError
        If the device is unknown or not on this machine.
    """
    import torch

    from fmdiag.errors import FmdiagError

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise FmdiagError(f"--device {name}: no such device; use auto, cpu, cuda or cuda:1") from error
    try:
        torch.zeros(1, dtype=torch.float64, device=device).item()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].split(". ")[0][:80]
        raise FmdiagError(f"--device {name}: not usable on this machine ({reason}); use auto or cpu") from error
    return device


def versions():
    """Return the versions that decide the numbers."""
    import platform
    from importlib.metadata import version

    packages = ("torch", "numpy", "faiss-cpu", "faiss-gpu-cu12", "torchdiffeq", "diffusers", "scipy",
                "transformers", "onnxruntime")
    found = {"python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(Exception):
            found[name] = version(name)
    return found
