"""Comparison of a field with û* at states of four kinds: the rows of the table error."""

import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.error.trajectories import closed_form_walk, model_states, say_lost_states
from fmdiag.diagnostics.points.pairs import cosine, shared
from fmdiag.errors import FmdiagError
from fmdiag.fields import as_field, non_finite_allowed
from fmdiag.posterior.points import along_paths, at_points


class Comparison:
    """A field beside û* at given times; each method returns this rank's tables of one kind of states.

    Parameters
    ----------
    field : callable
        v(x, t) under the contract of `fmdiag.fields`.
    u_star : ClosedFormField
        û*, over the ranks of `group`.
    times : list of float
        As they are named in the table; `seen` are these in float32, so that û* is asked at the very times that the
        network sees.
    reach : float
        Largest mean square of a row's coordinates.
    group : Group
        Ranks that share the states out.
    progress : callable
        Wraps the iterable of parts, about one per time.

    Attributes
    ----------
    remark : str or None
        What is to be said of the field's trajectories.
    """

    def __init__(self, field, u_star, times, reach, group, progress):
        self.field, self.u_star, self.times, self.reach = field, u_star, times, reach
        self.group, self.progress, self.remark = group, progress, None
        self.seen = torch.tensor(times, dtype=torch.float32).double().tolist()

    def train(self, pairs):
        """Return the rows on the paths of pairs of training rows."""
        curve = self.u_star.posterior.curve(pairs.x0, pairs.x1, pairs.rows, self.seen)
        return [self._on_paths(pairs, k, chosen.cpu(), found, chosen.cpu())
                for k, chosen, found in shared(self.progress(curve), self.group)]

    def held_out(self, partners):
        """Return the rows on the paths to held-out rows in the places of training rows."""
        pairs, everyone = partners.pairs, torch.arange(len(partners.numbers))
        found = ((k, everyone, posterior)
                 for k, posterior in along_paths(self.u_star.posterior, pairs.x0, pairs.x1, self.seen))
        return [self._on_paths(pairs, k, chosen, posterior, partners.numbers[chosen])
                for k, chosen, posterior in shared(self.progress(found), self.group)]

    def model(self, x0, n_steps, method):
        """Return the rows on the field's own trajectories from noise x0, without states that were lost."""
        states, lost = model_states(self.field, x0, sorted(set(self.seen)), n_steps=n_steps, method=method,
                                    group=self.group)
        self.remark = say_lost_states(lost)
        parts = []
        for k, t in self.progress(list(enumerate(self.seen))):
            kept = torch.nonzero(torch.isfinite(states[t]).flatten(1).all(1)).reshape(-1)
            if len(kept):
                x = states[t][kept].double()
                parts += self._off_paths(k, x, at_points(self.u_star.posterior, x, t), kept)
        return parts

    def closed_form(self, x0, n_steps):
        """Return the rows on û*'s trajectories from noise x0."""
        everyone, walk = torch.arange(len(x0)), closed_form_walk(self.u_star, x0, sorted(set(self.seen)), n_steps)
        return [part for t, x, found in self.progress(walk) for k in range(len(self.seen)) if self.seen[k] == t
                for part in self._off_paths(k, x, found, everyone)]

    def _on_paths(self, pairs, k, chosen, found, numbers):
        """Return the rows of some pairs, `chosen` and named `numbers`, at one time from their Posterior `found`."""
        pairs = pairs.select(chosen)
        xt, target = pairs.at(self.u_star.path, self.seen[k])
        velocity = evaluate(self.field, xt.float(), self.seen[k])
        table = self._table(k, xt, velocity, found, numbers, pairs.rows, mean_square(velocity - target))
        table["source_shell"] = mean_square(pairs.x0.double()) ** 0.5
        return table

    def _off_paths(self, k, x, found, numbers):
        """Return a list of the rows of states x on trajectories, at most one table: this rank's share."""
        part = self.group.share(len(numbers))
        x, found, numbers = x[part], found.select(part), numbers[part]
        if not len(numbers):
            return []
        with non_finite_allowed():
            velocity = ask(self.field, x.float(), self.seen[k])
        good = torch.isfinite(velocity).flatten(1).all(1)   # a trajectory that is lost at the next step
        x, found, numbers, velocity = x[good], found.select(good.to(found.mean.device)), numbers[good], velocity[good]
        none = np.full(len(numbers), np.nan)
        return [self._table(k, x, velocity, found, numbers, torch.full_like(numbers, -1), none)
                .assign(source_shell=none)] if len(numbers) else []

    def _table(self, k, x, velocity, found, numbers, rows, loss):
        path, dim, nothing = self.u_star.path, self.u_star.training_set.dim, np.full(len(numbers), np.nan)
        optimum = self.u_star.velocity(found, x, self.seen[k])
        factor = path.variance_factor(torch.tensor(self.seen[k])).item()
        return pd.DataFrame({
            "t": self.times[k],
            "pair": numbers.numpy(),
            "source_row": rows.numpy(),
            "squared_error": mean_square(velocity - optimum),
            "conditional_variance": (factor * found.variance / dim).cpu().numpy(),
            "cfm_loss": loss,
            "cosine": cosine(velocity, optimum).numpy(),
            "source_weight": nothing if found.source_weight is None else found.source_weight.cpu().numpy(),
            "largest_variance": factor * self.reach,
            "top_weight": found.top_weight.cpu().numpy(),
            "shell": found.shell.cpu().numpy(),
        })


def ask(field, x, t):
    """Return the field's velocity at one time on the CPU."""
    return as_field(field)(x, torch.full((x.shape[0],), t, dtype=x.dtype)).cpu()


def evaluate(field, x, t):
    """Return the field's velocity at one time on the CPU, checked: shape and finite values."""
    velocity = ask(field, x, t)
    if not bool(torch.isfinite(velocity).all()):
        raise FmdiagError(f"the field returned values that are not finite at t = {t}")
    return velocity


def mean_square(difference):
    """Return the mean over coordinates of the squares, float64 ndarray of shape (b,)."""
    return difference.double().flatten(1).square().mean(1).numpy()
