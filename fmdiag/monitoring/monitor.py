"""Monitor of a training run: looks at the network every so many steps, cheaply, and leaves training as it was.

    monitor = fmdiag.Monitor(train, every=2000, out="reports/monitor")
    for step in range(1, n_steps + 1):
        ...                                      # as without it
        monitor(step, network, ema=ema)
    monitor.close()

Memorisation: from some step on the p-values of f_mem_excess fall, f_mem rises above its null, and the AUC of membership
leaves 1/2. Generalisation: they stay, while the held-out loss falls.
"""

import atexit
import time
import warnings
import weakref

import pandas as pd
import torch.distributed as dist

from fmdiag.errors import FmdiagWarning
from fmdiag.figures.monitor import along_training, save_picture
from fmdiag.monitoring.budget import Budget
from fmdiag.monitoring.loggers import as_logger, scalars
from fmdiag.monitoring.looks_kept import LooksKept
from fmdiag.monitoring.measures import COLUMNS, look
from fmdiag.monitoring.networks import asked_field, unwrapped
from fmdiag.monitoring.remarks import Remarks
from fmdiag.monitoring.settings import check, digest, key_of, setting_of
from fmdiag.monitoring.untouched import untouched
from fmdiag.ranks.group import SINGLE
from fmdiag.ranks.torchrun import world


class Monitor:
    """Looks at a network while it is trained: errors, gap, f_mem beside its null, membership AUC.

    Training goes on bit for bit as without it: random generators, modes, buffers, gradients and torch's switches are
    put back after each look. Whatever a look meets is kept in `errors` and shown by `close`, which the end of the
    program calls otherwise; training goes on.

    Parameters
    ----------
    train : TrainingSet, array, torch Dataset, name or path
        The rows that the network is trained on, in the range that it sees.
    held_out : TrainingSet, array or False, optional
        Rows of the same distribution that it is not trained on; default the training set's own.
    every : int
        Steps between two looks: the first call in each stretch of so many steps is looked at.
    out : path, optional
        Folder of tables, figure and looks, with which a run that was killed goes on; without it nothing is written.
    measures : sequence of str or callable, optional
        Names among error, gap, f_mem and membership, default all that apply; or functions of (field, training set) that
        return a number, or {quantity: number or (value, low, high)}.
    budget : float or None
        Most that looks may take, in per cent of the time between the calls; n is chosen to keep it, and a look for
        which there is no room is left out. None: every look is made, with n samples.
    n : int
        Pairs, samples and examples of each kind of a look without a budget, at least 8.
    log : callable, SummaryWriter, or sequence of these, optional
        Called as ``log(dict, step)`` with floats by name, and with ``{"fmdiag/curves": figure}``: ``wandb.log``,
        ``mlflow.log_metrics``; or a TensorBoard writer.
    path : GaussianPath, optional
        Probability path of the training; default linear.
    device : str or torch.device
        Where û* computes.
    group : Group, optional
        Ranks that share each look, all of which call the monitor. Default: rank 0 looks alone, others return at once.
    seed : int
        Of everything random in a look, the same at every look.
    **options
        times, n_steps, method, memory: see `fmdiag.monitoring.measures.Setting`.

    Attributes
    ----------
    table : DataFrame
        All looks, a row per step and quantity; see `fmdiag.monitoring.measures.look`.
    errors : list of str
        What went wrong, each once.

    Raises
    ------
    FmdiagError
        If a setting is out of range, a measure unknown, or held-out rows do not fit. A call raises nothing.

    Examples
    --------
    >>> import fmdiag
    >>> digits = fmdiag.load_dataset("digits", n=20)
    >>> monitor = fmdiag.Monitor(digits, every=100, budget=None, n=8, measures=["f_mem"])
    >>> for step in range(1, 201):
    ...     _ = monitor(step, fmdiag.ClosedFormField(digits))
    >>> monitor.table[monitor.table.quantity == "f_mem"][["step", "value"]].values.tolist()
    [[100.0, 1.0], [200.0, 1.0]]
    """

    def __init__(self, train, *, held_out=None, every=2000, out=None, measures=None, budget=3.0, n=32, log=None,
                 path=None, device="cpu", group=None, seed=0, **options):
        check(every, budget, n)
        self.alone = group is None
        self.group = group or SINGLE
        options |= {"path": path, "device": device, "seed": seed, "group": self.group}
        self.setting = setting_of(train, held_out, measures, options, say=self.speaks)
        self.every, self.budget = every, Budget(None if budget is None else budget / 100, n)
        self.loggers = [as_logger(one) for one in (log if isinstance(log, list | tuple) else [log]) if one is not None]
        self.kept = LooksKept(out, key_of(self.setting)) if out is not None else None
        self.table, self.remarks = pd.DataFrame(columns=list(COLUMNS)), Remarks()
        self.errors = self.remarks.errors
        self._last, self._clock, self._closed = None, time.perf_counter(), False
        self._figure_seconds = 0.5
        atexit.register(_close_at_exit, weakref.ref(self))

    def __call__(self, step, network, *, ema=None):
        """Look at the network if a look is due.

        Parameters
        ----------
        step : int
            Steps taken so far.
        network : torch.nn.Module or callable
            Called as v(x, t), t = 0 noise, t = 1 data; wrappers of DistributedDataParallel, torch.compile and the like
            are taken off. Of several arguments, or another convention, give a callable.
        ema : torch.nn.Module, callable or dict, optional
            Averaged weights, or the averaged network: looked at in place of the network; see
            `fmdiag.monitoring.networks.asked_field`.

        Returns
        -------
        DataFrame or None
            The rows of this look; None where none was due or possible.
        """
        if self.alone and not self.speaks:
            return None
        start = time.perf_counter()
        self.budget.training += start - self._clock
        try:
            return self._due_look(int(step), network, ema, start) if self._is_due(step) else None
        except Exception as error:  # training goes on
            self.remarks.keep(f"step {step}: {type(error).__name__}: {error}")
        finally:
            self._clock = time.perf_counter()
        return None

    def close(self):
        """Write what there is, and show what went wrong, a line each; calls after the first do nothing."""
        if self._closed:
            return
        self._closed = True
        if self.speaks:
            self.remarks.attempt("the figure", lambda: self._draw(None))
            if self.kept is not None:
                self.remarks.attempt("the folder's list of files", self.kept.note)
            if self.budget.left_out:
                self.remarks.keep(self.budget.sentence())
            for text in self.errors:
                warnings.warn(f"monitor: {text}", FmdiagWarning, stacklevel=2)

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.close()

    @property
    def speaks(self):
        """Whether this process looks alone, or writes for the group."""
        if not self.alone:
            return self.group.rank == 0
        return (dist.get_rank() if dist.is_available() and dist.is_initialized() else world()[0]) == 0

    def _is_due(self, step):
        """Whether a look is due; a step that comes again or goes back is said once, and is none."""
        before, step = self._last, int(step)
        if before is not None and step <= before:
            what = f"twice for step {step}: it counts once" if step == before else (
                f"for step {step} after step {before}: steps that were passed are not looked at again")
            if self.speaks and self.remarks.is_new(what[:5]):
                warnings.warn(f"the monitor is called {what}", FmdiagWarning, stacklevel=3)
            return False
        self._last = step
        if before is None and self.kept is not None:
            self._go_on(step)
        return step // self.every > (max(step - 1, 0) if before is None else before) // self.every

    def _go_on(self, step):
        """Take over an earlier process's looks before this step, and its account."""
        table, account = self.kept.before(step)
        if account is not None:
            self.table = table
            self.budget.go_on(account)

    def _due_look(self, step, network, ema, start):
        with untouched(unwrapped(network), unwrapped(ema)) as met:
            field = asked_field(network, ema)
            n, rows = self._planned(step, field)
            spent = start
            if n is None and rows is None:
                self.budget.left_out += 1
                return None
            if rows is None:
                self.remarks.attempt("the null of f_mem", self.setting.prepare)   # once: no part of what a look costs
                begun = time.perf_counter()
                rows = look(field, self.setting, step=step, n=n)
                spent = time.perf_counter()
                self.budget.spent += begun - start
                self.budget.pay(n, spent - begun)
                if self.kept is not None and self.speaks:
                    self.remarks.attempt("keeping the look", lambda: self.kept.add(
                        step, digest(field, self.setting), rows, self.budget.account()))
            self._take(rows, met)
            self.remarks.attempt("the figure", lambda: self._draw(step))
        self.budget.spent += time.perf_counter() - spent
        return rows

    def _planned(self, step, field):
        """Return (n, rows) as rank 0 decides: the rows of an earlier process, or how many samples to draw."""
        found = self.kept.find(step, digest(field, self.setting)) if self.kept is not None and self.speaks else None
        return self.group.gather((None if found is not None else self.budget.choose(), found))[0]

    def _take(self, rows, met):
        """Add the rows of a look to the table, write and log them, and keep what went wrong."""
        self.table = pd.concat([self.table, rows], ignore_index=True) if len(self.table) else rows
        for step, note, measure in rows.loc[rows["note"] != "", ["step", "note", "measure"]].drop_duplicates().values:
            self.remarks.keep(f"{measure} at step {step}: {note}", like=f"{measure}: {note}")
        for warning in met:
            if issubclass(warning.category, FmdiagWarning):
                self.remarks.keep(str(warning.message))
        if self.speaks:
            if self.kept is not None:
                self.remarks.attempt("writing the tables", lambda: self.kept.write(self.table))
            for one in self.loggers:
                self.remarks.attempt("logging", lambda one=one: one.scalars(scalars(rows), int(rows["step"].iloc[0])))

    def _draw(self, step):
        """Hand the figure on and save it: at the end (step None), or where the budget has room for it."""
        last, budget = self._last or 0, self.budget
        room = budget.share is None or budget.share * budget.training - budget.spent > self._figure_seconds
        if not len(self.table) or not self.speaks or not (self.loggers or self.kept) or not (step is None or room):
            return
        start, figure = time.perf_counter(), along_training(self.table)
        for one in self.loggers:
            self.remarks.attempt("logging", lambda one=one: one.figure(figure, last))
        if self.kept is not None:
            save_picture(figure, self.kept.folder / "figures" / "monitor.png")
        self._figure_seconds = time.perf_counter() - start


def _close_at_exit(reference):
    monitor = reference()
    if monitor is not None:
        monitor.close()
