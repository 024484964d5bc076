"""Guided posterior mean: what û* of a class and û* of all rows make together under classifier-free guidance.

    D_w(x, t) = D_∅(x, t) + w (D_c(x, t) - D_∅(x, t)),

D_c over the rows of class c, D_∅ over all rows. At one x and t every path's velocity is affine in D, so that this is
û*_w = û*_∅ + w (û*_c - û*_∅), exactly. It comes to rest on rows of the class only, for w >= 1: near t = 1 the means are
the nearest row of all, r, and the nearest of the class, c, and x = r + w (c - r) lies w |c - r| from r but (w - 1)
|c - r| from c, so that r is the nearest only if r = c.

References
----------
Ho and Salimans, "Classifier-Free Diffusion Guidance", arXiv 2207.12598, equation 6.
"""

from dataclasses import replace

import torch

from fmdiag.posterior.empirical import EmpiricalPosterior
from fmdiag.posterior.rows import shared_memory
from fmdiag.posterior.spread import RowSpread, SharedSpread
from fmdiag.ranks.group import SINGLE


class GuidedPosterior:
    """The posterior over the rows of a class, whose `mean` is guided; callable on (x, t).

    Everything but `mean` and `mean_error` is of the class's rows: weights, effective sample size, variance, density.

    Parameters
    ----------
    training_set : TrainingSet
        Rows of one class, with a `Condition`.
    path, memory, device, block_rows, group
        As in `EmpiricalPosterior`; either posterior has half the memory.
    """

    on_rows = False   # no engine that takes the rows for points answers for it

    def __init__(self, training_set, path=None, *, memory=None, device="cpu", block_rows=None, group=SINGLE):
        self.memory = shared_memory(memory, torch.device(device), group)
        around = {"memory": self.memory // 2, "device": device, "block_rows": block_rows, "group": group}
        self.condition = training_set.condition
        self.of_class = _unguided(training_set, path, **around)
        self.unconditional = _unguided(self.condition.whole, path, **around)
        self.training_set, self.path, self.group = training_set, self.of_class.path, group
        self.device, self.schedule, self.shells = self.of_class.device, self.of_class.schedule, self.of_class.shells

    def __call__(self, x, t, *, source_rows=None, exclude=None):
        """Return the Posterior at points x and times t; parameters as in `EmpiricalPosterior`."""
        return self._parts(x, t, source_rows, exclude)[2]

    def curve(self, x0, x1, rows, times):
        """Yield (number of the time, numbers of the pairs, Posterior), as in `EmpiricalPosterior`."""
        for k, pairs, found in self.of_class.curve(x0, x1, rows, times):
            chosen = pairs.to(x0.device)
            x = self.path.sample(x0[chosen].double(), x1[chosen].double(), times[k])
            yield k, pairs, self._guided(found, self.unconditional(x, times[k]))

    def settling(self, x, t):
        """Return (mean, undecided): D_w, and what lies between it and the row that both posteriors agree on."""
        of_class, free, guided = self._parts(x, t, None, None)
        apart = (of_class.mean - free.mean).flatten(1).square().sum(1)
        return guided.mean, of_class.variance + free.variance + apart

    def _parts(self, x, t, source_rows, exclude):
        """Return (Posterior over the class, Posterior over all rows, the guided one)."""
        found = self.of_class(x, t, source_rows=source_rows, exclude=exclude)
        if exclude is not None:
            exclude = torch.as_tensor(self.condition.in_whole(torch.as_tensor(exclude).cpu().numpy()))
        free = self.unconditional(x, t, exclude=exclude)
        return found, free, self._guided(found, free)

    def _guided(self, found, free):
        w = self.condition.guidance
        mean = free.mean + w * (found.mean - free.mean)
        return replace(found, mean=mean, mean_error=abs(w) * found.mean_error + abs(1 - w) * free.mean_error)


def posterior_of(training_set, path=None, **around):
    """Return the posterior that belongs to a TrainingSet: guided where its rows are of a class that is guided.

    Parameters
    ----------
    training_set : TrainingSet
    path, **around
        As in `EmpiricalPosterior`.
    """
    condition = training_set.condition
    guided = condition is not None and condition.guidance != 1
    return (GuidedPosterior if guided else _unguided)(training_set, path, **around)


def _unguided(training_set, path, **around):
    """Return the posterior over rows as they are, or as they were sampled anew."""
    spread = training_set.spread
    kind = EmpiricalPosterior if spread is None else SharedSpread if isinstance(spread, float) else RowSpread
    return kind(training_set, path, **around)
