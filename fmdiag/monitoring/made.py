"""Looks of a monitor: found in its folder where an earlier process made them, else made within the budget."""

import time

import pandas as pd

from fmdiag.monitoring.distance import named, with_distance
from fmdiag.monitoring.measures import COLUMNS, look
from fmdiag.monitoring.onset import tests_of
from fmdiag.monitoring.settings import digest
from fmdiag.stats import exchanges_needed


class Looks:
    """The looks at one training run.

    Parameters
    ----------
    setting : Setting
        Of every look; its group shares each.
    n_samples : int
        Samples of the test distance, 0 for none.
    budget : Budget
    kept : LooksKept or None
        The folder; None on ranks that do not write, and without one.
    remarks : Remarks

    Attributes
    ----------
    table : DataFrame
        All looks; see `fmdiag.monitoring.measures.look`.
    tests : list of str
        Quantities that are tested at every look.
    """

    def __init__(self, setting, n_samples, budget, kept, remarks):
        self.setting, self.n_samples = with_distance(setting, n_samples), n_samples
        self.budget, self.kept, self.remarks = budget, kept, remarks
        self.tests, self.table = tests_of(setting), pd.DataFrame(columns=list(COLUMNS))

    def go_on(self, step):
        """Take over an earlier process's looks before this step, and its account."""
        found = self.kept.before(step) if self.kept is not None else (None, None)
        table, account = self.setting.group.gather(found)[0]
        if account is not None:
            self.table = table
            self.budget.go_on(account)

    def add(self, step, field, start):
        """Look at a field, in a call that begun at `start`; return the rows, None where there is no room for a look."""
        n, rows = self._planned(step, field)
        if n is None and rows is None:
            self.budget.left_out += 1
            return None
        rows = self._made(step, field, n, start) if rows is None else rows
        self.table = pd.concat([self.table, rows], ignore_index=True) if len(self.table) else rows
        return rows

    def _planned(self, step, field):
        """Return (n, rows) as rank 0 decides: how many samples to draw, or the rows of an earlier process."""
        found = None if self.kept is None else self.kept.find(step, digest(field, self.setting))
        return self.setting.group.gather((None if found is not None else self.budget.choose(), found))[0]

    def _made(self, step, field, n, start):
        self.remarks.attempt("the null of f_mem", self.setting.prepare)   # once: no part of what a look costs
        begun, number = time.perf_counter(), self.table["step"].nunique() + 1
        exchanges = exchanges_needed(number, n_tests=max(1, len(self.tests)))
        rows = named(look(field, self.setting, step=step, n=n, exchanges=exchanges), self.n_samples)
        self.budget.spent += begun - start
        self.budget.pay(n, time.perf_counter() - begun)
        if self.kept is not None:
            self.remarks.attempt("keeping the look", lambda: self.kept.add(
                step, digest(field, self.setting), rows, self.budget.account()))
        return rows
