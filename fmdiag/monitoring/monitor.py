"""Monitor of a training run: looks at the network every so many steps, cheaply, and leaves training as it was.

    monitor = fmdiag.Monitor(train, every=2000, out="reports/monitor")
    for step in range(1, n_steps + 1):
        ...                                      # as without it
        monitor(step, network, ema=ema)
    monitor.close()
    monitor.onsets()                                 # tau_gen, tau_mem and the like

Memorisation: from some step on the p-values of f_mem_excess fall, f_mem rises above its null, and the AUC of membership
leaves 1/2. Generalisation: they stay, while the held-out loss falls.
"""

import atexit
import time
import warnings
import weakref

import torch.distributed as dist

from fmdiag.errors import FmdiagWarning
from fmdiag.monitoring.budget import Budget
from fmdiag.monitoring.looks_kept import LooksKept
from fmdiag.monitoring.made import Looks
from fmdiag.monitoring.networks import asked_field, unwrapped
from fmdiag.monitoring.onset import onsets
from fmdiag.monitoring.remarks import Remarks
from fmdiag.monitoring.settings import check, key_of, setting_of
from fmdiag.monitoring.shown import Shown
from fmdiag.monitoring.turns import Turns
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
    n_samples : int
        Samples of the test distance, from which `onsets` reads tau_gen: more than 64, or 0 for none. The budget does
        not choose them, but counts their time.
    log : callable, SummaryWriter, mlflow, or sequence of these, optional
        Called as ``log(dict, step)`` with floats by name, and with ``{"fmdiag/curves": figure}``: ``wandb.log``; or a
        TensorBoard writer, or the module mlflow.
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
    >>> monitor.onsets()[["quantity", "value", "low", "high"]].values.tolist()
    [['tau_mem', 100.0, 0.0, 100.0]]
    """

    def __init__(self, train, *, held_out=None, every=2000, out=None, measures=None, budget=3.0, n=32, n_samples=0,
                 log=None, path=None, device="cpu", group=None, seed=0, **options):
        check(every, budget, n)
        self.alone = group is None
        self.group = group or SINGLE
        options |= {"path": path, "device": device, "seed": seed, "group": self.group}
        setting = setting_of(train, held_out, measures, options, say=self.speaks)
        kept = LooksKept(out, key_of(setting, n_samples)) if out is not None else None
        self.turns, self.budget, self.remarks = Turns(every), Budget(budget and budget / 100, n), Remarks()
        self.shown, self.errors = Shown(log, kept, self.remarks), self.remarks.errors
        self.looks = Looks(setting, n_samples, self.budget, kept if self.speaks else None, self.remarks)
        self._clock, self._closed = time.perf_counter(), False
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
            return self._look(int(step), network, ema, start) if self._is_due(int(step)) else None
        except Exception as error:  # training goes on
            self.remarks.keep(f"step {step}: {type(error).__name__}: {error}")
        finally:
            self._clock = time.perf_counter()
        return None

    def onsets(self):
        """Return from which steps on copies, membership and a gap are shown, and from which on samples are good.

        Returns
        -------
        DataFrame
            Rows tau_mem, tau_auc, tau_gap and, where the test distance was measured, tau_gen; see
            `fmdiag.monitoring.onset.onsets`. They are the rows of `fmdiag.watch` after the same looks, and false alarms
            are as rare: 5 % over all looks and tests together, however many.
        """
        return onsets(self.table, tests=self.looks.tests)

    def close(self):
        """Write what there is, and show what went wrong, a line each; calls after the first do nothing."""
        if self._closed:
            return
        self._closed = True
        if self.speaks:
            self.shown.figure(self.table, self.turns.last)
            self.shown.note()
            if self.budget.left_out:
                self.remarks.keep(self.budget.sentence())
            for text in self.errors:
                warnings.warn(f"monitor: {text}", FmdiagWarning, stacklevel=2)

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.close()

    @property
    def table(self):
        """All looks, a row per step and quantity; see `fmdiag.monitoring.measures.look`."""
        return self.looks.table

    @property
    def speaks(self):
        """Whether this process looks alone, or writes for the group."""
        if not self.alone:
            return self.group.rank == 0
        return (dist.get_rank() if dist.is_available() and dist.is_initialized() else world()[0]) == 0

    def _is_due(self, step):
        """Whether a look is due; a step that comes again or goes back is said once, and is none."""
        fault, first = self.turns.fault(step), self.turns.last is None
        if fault is not None:
            if self.speaks and self.remarks.is_new(fault[:5]):
                warnings.warn(f"the monitor is called {fault}", FmdiagWarning, stacklevel=3)
            return False
        if first:
            self.looks.go_on(step)
        return self.turns.take(step)

    def _look(self, step, network, ema, start):
        with untouched(unwrapped(network), unwrapped(ema)) as met:
            rows = self.looks.add(step, asked_field(network, ema), start)
            if rows is None:
                return None
            shown = time.perf_counter()
            self._keep_notes(rows, met)
            if self.speaks:
                self.shown.look(rows, self.table, self.onsets())
                if self.budget.has_room(self.shown.figure_seconds):
                    self.shown.figure(self.table, step)
        self.budget.spent += time.perf_counter() - shown
        return rows

    def _keep_notes(self, rows, met):
        """Keep what went wrong at a look: notes of its measures, each once, and warnings."""
        for step, note, measure in rows.loc[rows["note"] != "", ["step", "note", "measure"]].drop_duplicates().values:
            self.remarks.keep(f"{measure} at step {step}: {note}", like=f"{measure}: {note}")
        for warning in met:
            if issubclass(warning.category, FmdiagWarning):
                self.remarks.keep(str(warning.message))


def _close_at_exit(reference):
    monitor = reference()
    if monitor is not None:
        monitor.close()
