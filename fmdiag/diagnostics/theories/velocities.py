"""Velocities of a network and of every fit of every theory at the same states and one time, a row for each."""

import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.error.measure import evaluate
from fmdiag.diagnostics.theories.fits import WHOLE
from fmdiag.diagnostics.theories.names import OPTIMUM, ROUNDING
from fmdiag.diagnostics.theories.scores import scores

FRESH = ("heldout", "model")   # kinds of states at which fits on equally many examples are compared


def velocity_rows(network, fits, schedules, states, k, t):
    """Return the rows of all fits at time number k.

    Parameters
    ----------
    network : callable
        v(x, t).
    fits : list of Fit
        The first is on all training examples.
    schedules : dict of str to Schedule
        Patch sizes by theory.
    states : list of States
    k : int
    t : float
    """
    kinds = np.repeat([one.kind for one in states], [len(one.pairs) for one in states])
    pairs = torch.cat([one.pairs for one in states]).numpy()
    x = torch.cat([one.x[k] for one in states]).float()   # what the network sees is what theories are asked about
    seen = torch.tensor(t, dtype=torch.float32).item()    # likewise
    velocity = evaluate(network, x, seen)
    optimum = _velocity(fits[0].fields[OPTIMUM], x, seen)
    tables = []
    for fit in fits:
        at = np.flatnonzero(np.isin(kinds, FRESH)) if fit.compared else np.arange(len(kinds))
        for name, theory in fit.fields.items() if len(at) else ():
            own = optimum if fit is fits[0] and name == OPTIMUM else _velocity(theory, x[at], seen)
            found = scores(own, velocity[at], optimum[at])
            size = schedules[name].at(t) if name in schedules else 0
            tables.append(pd.DataFrame({
                "theory": name, "fitted_on": fit.fitted_on, "n": fit.n, "compared": fit.compared, "group": fit.group,
                "states": kinds[at], "t": t, "pair": pairs[at], "patch_size": size, **found,
                "explained": _explained(found, fit.group == WHOLE and (name != OPTIMUM or fit.compared))}))
    return pd.concat(tables, ignore_index=True)


def _velocity(theory, x, t):
    """Return a theory's velocity, float64, on the CPU."""
    return theory(x.double(), t).cpu()


def _explained(found, given):
    """Return 1 - squared_error / optimum_error per state, NaN where the latter is rounding, or it is not given."""
    error, star = found["squared_error"], found["optimum_error"]
    some = star > ROUNDING * found["squared_norm"]
    return np.where(given & some, 1 - error / np.where(some, star, 1), np.nan)
