"""Dry run: what a command would measure, and an estimate of its time and memory, without measuring or writing anything.

The inputs are opened and checked as by the run itself. Time is work (`fmdiag.runs.work`) times rates of this machine
(`fmdiag.runs.probe`) and, for statistics and pictures, the seconds of a committed record: docs/guides/dry_run.md says
how far it was from real runs.
"""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.groups import Solver
from fmdiag.diagnostics.memorization.null_size import check_held_out
from fmdiag.errors import FmdiagError
from fmdiag.files.destination import check_destination
from fmdiag.runs import composed
from fmdiag.runs.output import TakenError
from fmdiag.runs.probe import rates_of, training_step
from fmdiag.runs.run import Run
from fmdiag.runs.samples import BATCH
from fmdiag.runs.work import PRODUCTS, work_of

# Seconds of statistics and pictures, of the report of the bundled digits (benchmarks/results/dry_run.json).
STATISTICS = {"alignment": 1.2, "error": 3.5, "hybrid": 1.0, "memorization": 1.7, "quality": 0.8,
              "gradient-variance": 2.2, "metrics": 4.0, "membership": 4.0, "uturn": 1.0, "geometry": 1.5,
              "patches": 1.0, "provenance": 4.5, "symmetry": 2.5, "duplicates": 0.2, "theories": 3.0, "agreement": 2.0,
              "canaries": 1.0, "pairing": 2.0}
OPENING, PAGE, FIGURES = 3.0, 22.0, 3.0
FACTOR = 2.0          # the real time lay within it: see the record
SAMPLE_BYTES = 4


@dataclass
class Estimate:
    """What a dry run found.

    Attributes
    ----------
    lines : list of dict
        name, what (its size in words), rows (of the network), operations (of û*), seconds; None where not known.
    seconds : float
        Of everything, opening and page too.
    memory : dict
        Bytes: closed_form (at most), training_examples, weights, samples.
    subject : str
        Model and data in words.
    product_rate : float or None
        Operations a second of û*'s products here.
    seconds_per_row : float or None
        Of the network.
    """

    subject: str
    lines: list = field(default_factory=list)
    seconds: float = 0.0
    memory: dict = field(default_factory=dict)
    product_rate: float | None = None
    seconds_per_row: float | None = None

    def describe(self):
        """Return everything as plain values, with the factor within which real runs were."""
        return asdict(self) | {"factor": FACTOR}


class DryRun(Run):
    """A Run that measures nothing: diagnostics are listed, and `estimate` says what they would take."""

    def __init__(self, *arguments, out=None, overwrite=False, page=False, **options):
        if out is not None and not callable(out):
            if Path(out).exists() and not overwrite:
                raise TakenError(f"{out} exists: choose another --out, or --overwrite to replace that run")
            check_destination(out, "run", overwrite=overwrite)
        self.asked, self.with_page = [], page
        options.pop("new", None)
        super().__init__(*arguments, **options)

    def measure(self, diagnostic, **parameters):
        """List a diagnostic, once its needs and parameters are checked; return what stands for its Result."""
        card = DIAGNOSTICS[diagnostic] if isinstance(diagnostic, str) else diagnostic
        chosen = card.made(parameters)
        if (lacked := self.lacks(card)) is not None:
            raise FmdiagError(f"{card.name} needs {lacked}")
        if "held_out" in card.needs or card.name == "memorization":
            check_held_out(self.training_set, required="held_out" in card.needs)
        self.asked.append((card.name, chosen, work_of(self, card.name, chosen)))
        self.results[card.name] = _Planned()
        return self.results[card.name]

    def report(self, **parameters):
        """List what a report measures."""
        self.with_page = True
        composed.report_measured(self, **parameters)

    def audit(self, **parameters):
        """List what an audit measures."""
        self.with_page = True
        composed.audit_measured(self, **parameters)

    def save(self, page=False, document=None):
        """Write nothing."""

    def __exit__(self, kind, error, traceback):
        """Write nothing."""
        self.close()

    def estimate(self, clock=time.perf_counter):
        """Return the Estimate of everything that was listed, in seconds of a clock."""
        works = [work for _, _, work in self.asked if work is not None]
        asks_gradients = any(work.gradients for work in works)
        rates = rates_of(self, gradients=asks_gradients, clock=clock)
        drawn, found = set(), Estimate(subject_of(self), product_rate=rates.product_rate,
                                       seconds_per_row=rates.row if self.field is not None else None)
        for name, chosen, work in self.asked:
            found.lines.append(_line(self, name, chosen, work, rates, drawn))
        known = [line["seconds"] for line in found.lines if line["seconds"] is not None]
        found.seconds = OPENING + (PAGE if self.with_page else FIGURES) + sum(known)
        found.memory = memory_of(self, drawn)
        return found


class _Planned:
    """What stands for a Result: samples that may be followed are numbered from 0 on."""

    table = pd.DataFrame({"source": "model", "feature": "pixels", "ratio": 0.0, "sample": range(composed.CLOSEST)})


def _line(run, name, chosen, work, rates, drawn):
    """Return the line of one diagnostic; samples that were drawn for one before are not drawn again."""
    if name == "pairing":
        return _pairing(run, chosen)
    if work is None:
        return {"name": name, "what": "no estimate: a diagnostic of your own", "rows": None, "operations": None,
                "seconds": None}
    for n, *solver in work.samples:
        if run.field is not None and not _drawn_already(n, solver, drawn):
            drawn.add((n, *solver))
            work.carry(n, Solver(*solver))
    passes = rates.call * work.calls + rates.row * (work.rows + PRODUCTS * work.products)
    seconds = (passes + rates.point * work.points + rates.gradient * work.gradients
               + work.operations / rates.product_rate + STATISTICS.get(name, 1))
    operations = 4.0 * run.training_set.n * run.training_set.dim * work.points + work.operations
    return {"name": name, "what": work.what, "rows": round(work.rows + work.products + work.gradients),
            "operations": operations, "seconds": seconds}


def _drawn_already(n, solver, drawn):
    """Return whether samples are among those of a diagnostic before, as `GivenContext.samples` keeps them."""
    return any(other == solver and (n == m or n < m and n % BATCH == 0) for m, *other in drawn)


def _pairing(run, p):
    """Return the line of pairing, which trains a model for each noise on the path."""
    from fmdiag.training import choose_network

    shape = run.training_set.shape
    spec = choose_network(shape, p.network, width=p.width, depth=p.depth)
    step, call, row, _ = training_step(spec, p.batch_size, run.device)
    n, models = p.n_pairs or min(1000, run.training_set.n), len(p.sigmas)
    seconds = models * (p.steps * step + p.n_steps * (call + n * row)) + STATISTICS["pairing"]
    return {"name": "pairing", "what": f"{models} models x {p.steps} steps of {p.batch_size} pairs",
            "rows": models * (p.steps * p.batch_size + p.n_steps * n), "operations": 0.0, "seconds": seconds}


def subject_of(run):
    """Return model and data in words."""
    rows = run.training_set
    model = run.checkpoint.file.name if run.checkpoint is not None else "û* alone" if run.field is None else "a model"
    held_out = "no held-out ones" if rows.unseen is None else f"{rows.unseen.n} held-out ones"
    return f"{model} on {rows.name}: {rows.n} training examples of {rows.dim} coordinates, {held_out}"


def memory_of(run, drawn):
    """Return {what: bytes} of a run; `drawn` holds tuples that begin with a number of samples."""
    rows, module = run.training_set, run.network
    weights = getattr(module, "parameters", lambda: ())
    blocks = 8 * min(rows.n, 1 << 16) * (rows.dim + 256) * 3   # rows, their log-weights and products in float64
    return {"closed_form": int(min(run.memory, blocks)),
            "training_examples": int(rows.n_stored * rows.dim * rows.rows.dtype.itemsize),
            "weights": int(sum(p.numel() * p.element_size() for p in weights() if hasattr(p, "numel"))),
            "samples": int(sum(n for n, *_ in drawn) * rows.dim * SAMPLE_BYTES)}
