"""Plan of a study: a grid of sizes, network widths, objectives and seeds, and what is measured on each model.

Seed s draws the subset, the initial weights and the order of a run: an interval over seeds holds all three. Subsets of
one seed are nested. Parts are listed seed by seed, so that a study that is stopped early has whole seeds.
"""

from dataclasses import dataclass, field
from itertools import product

from fmdiag.errors import FmdiagError
from fmdiag.studies.parts import Part
from fmdiag.training import authors_samples, label, make_objective, width_of

VERSION = 1
# Times of the error curve: both bumps of figure 2 are resolved, t = 0.15 and the rise towards 1.
TIMES = [round(0.04 * k, 2) for k in range(25)] + [0.99]


@dataclass(frozen=True)
class Measures:
    """What is measured on each model.

    Parameters
    ----------
    n_samples : int
        Samples for the Fréchet distances.
    n_nearest : int
        How many of them are compared with the training rows.
    n_steps : int
        Euler steps per sample.
    n_pairs : int
        Pairs of the error curve.
    n_closed_form : int
        Samples of û* for the positive control.
    times : tuple of float
        Times of the error curve.
    """

    n_samples: int = 2000
    n_nearest: int = 500
    n_steps: int = 50
    n_pairs: int = 128
    n_closed_form: int = 32
    times: tuple = tuple(TIMES)


@dataclass(frozen=True)
class Plan:
    """A study: everything that decides its numbers.

    Parameters
    ----------
    kind : str
        ``"size"``, ``"losses"`` or ``"time"``.
    sizes : tuple of int
        Numbers of training rows.
    objectives : tuple of dict
        As `fmdiag.training.make_objective` makes them.
    seeds : tuple of int
        One model each.
    training : dict
        network, batch_size, lr, warmup, clip, ema_decay, precision.
    networks : tuple of dict
        Networks of growing width that are trained in place of `training`'s; empty for that one alone.
    evaluate : tuple of int
        Steps after which samples are drawn and judged, the last being the end of training.
    measures : Measures
    data : dict
        name, n_stored, fingerprint and held_out (fingerprint) of the whole set.
    feature : str
        Content hash of the feature space.
    """

    kind: str
    sizes: tuple
    objectives: tuple
    seeds: tuple
    training: dict
    evaluate: tuple
    measures: Measures
    data: dict
    feature: str
    networks: tuple = ()
    path: dict = field(default_factory=lambda: {"name": "linear", "sigma_min": 0.0})

    def subset(self, n, seed):
        """Return what names a training subset; the whole set does not depend on the seed."""
        return {"set": self.data["fingerprint"], "held_out": self.data["held_out"], "n": n,
                "subset_seed": seed if n < self.data["n_stored"] else 0}

    @property
    def widths(self):
        """Widths of the networks, as `fmdiag.training.width_of` counts them."""
        return tuple(map(width_of, self._networks()))

    def _networks(self):
        return self.networks or (self.training["network"],)

    def training_part(self, n, objective, seed, network=None):
        """Return the part of one model; `network` in place of the study's."""
        training = self.training if network is None else {**self.training, "network": network}
        measured = {"n_samples": self.measures.n_samples, "n_nearest": self.measures.n_nearest,
                    "n_steps": self.measures.n_steps, "n_pairs": self.measures.n_pairs,
                    "times": list(self.measures.times)}
        return Part("training", {"version": VERSION, "data": self.subset(n, seed), "objective": objective,
                                 "path": self.path, **training, "seed": seed, "evaluate": list(self.evaluate),
                                 "feature": self.feature, **measured})

    def reference_part(self, n, seed):
        """Return the part with the values that a training set of this size has by itself."""
        subset = self.subset(n, seed)
        measured = {"n_samples": self.measures.n_samples, "n_nearest": self.measures.n_nearest,
                    "n_closed_form": self.measures.n_closed_form}
        return Part("reference", {"version": VERSION, "data": subset, "path": self.path, "feature": self.feature,
                                  "seed": subset["subset_seed"], **measured})

    def cells(self):
        """Yield ({n_train, width, objective, seed}, part) of every model, seed by seed."""
        for seed, n, network, objective in product(self.seeds, self.sizes, self._networks(), self.objectives):
            keys = {"n_train": n, "width": width_of(network), "objective": label(objective), "seed": seed}
            yield keys, self.training_part(n, objective, seed, network)

    def references(self):
        """Yield (n, seed, part) of every training set."""
        for seed in self.seeds:
            for n in self.sizes:
                yield n, seed, self.reference_part(n, seed)

    def parts(self):
        """Return all parts, each once, references of a seed after its models."""
        listed = {}
        for seed in self.seeds:
            for part in [*(p for keys, p in self.cells() if keys["seed"] == seed),
                         *(p for _, s, p in self.references() if s == seed)]:
                listed.setdefault(part.key, part)
        return list(listed.values())

    def pools(self):
        """Return {label: {"M", "authors_n_samples_mean"}} of the objectives that have pools, the latter maybe None."""
        return {label(objective): {"M": objective["pool_size"], "authors_n_samples_mean": authors_samples(
                    objective, self.training["batch_size"])}
                for objective in self.objectives if "pool_size" in objective}

    def inputs(self):
        """Return everything as a dict of plain values, for study.json."""
        grid = {"widths": list(self.widths), "networks": list(self.networks)} if self.networks else {}
        return {"kind": self.kind, "sizes": list(self.sizes), **grid, "objectives": list(self.objectives),
                "seeds": list(self.seeds), **self.training, "evaluate": list(self.evaluate),
                **{name: list(value) if isinstance(value, tuple) else value
                   for name, value in vars(self.measures).items()},
                "path": self.path, "data": self.data, "feature": self.feature}


def check_plan(plan):
    """Raise FmdiagError if a grid is empty, a size is not to be had, or a step is out of order."""
    for name, values in (("size", plan.sizes), ("seed", plan.seeds), ("loss", plan.objectives)):
        if not values:
            raise FmdiagError(f"a study needs at least one {name}, got none")
        if len({str(value) for value in values}) < len(values):
            raise FmdiagError(f"a {name} is given twice: {', '.join(str(value) for value in values)}")
    for n in plan.sizes:
        if not 2 <= n <= plan.data["n_stored"]:
            raise FmdiagError(f"size {n}: {plan.data['name']} has {plan.data['n_stored']} rows; give sizes from 2 to "
                              f"{plan.data['n_stored']}")
        for objective in plan.objectives:
            size = objective.get("pool_size")
            if isinstance(size, int) and not objective["replacement"] and size > n:
                raise FmdiagError(f"{label(objective)}: a pool of {size} rows cannot be drawn from {n}: give smaller "
                                  "pools, or larger sizes")
    if plan.networks and len(plan.sizes) < 2:
        raise FmdiagError(f"widths are studied over sizes, to see at which n memorisation ends: give at least two "
                          f"--sizes, got {plan.sizes[0]}")
    if list(plan.evaluate) != sorted(set(plan.evaluate)) or plan.evaluate[0] < 1:
        raise FmdiagError(f"evaluation steps must increase from 1 on, got {list(plan.evaluate)}")
    if plan.measures.n_nearest > plan.measures.n_samples or plan.measures.n_samples < 2:
        raise FmdiagError(f"n_samples must be at least 2 and n_nearest at most n_samples, got "
                          f"{plan.measures.n_samples} and {plan.measures.n_nearest}")


def evaluation_steps(steps, count, spacing=2.0):
    """Return `count` steps that fall from `steps` by the factor `spacing`, in tens, ascending; fewer if they coincide.

    Raises
    ------
    FmdiagError
        If the factor is not above 1.
    """
    if not 1 < spacing <= 1000:
        raise FmdiagError(f"spacing of evaluations is a factor above 1, e.g. 2 or 1.41, got {spacing:g}")
    fallen = {max(10, round(steps / spacing**k / 10) * 10) if k else steps for k in range(count)}
    return tuple(sorted(step for step in fallen if step <= steps))


def parse_objective(text):
    """Return the objective that a short name means: cfm, otcfm, efm:128, efm:all, efm:128:replacement, noised:0.05.

    Raises
    ------
    FmdiagError
        If it is none of these.
    """
    name, *words = text.split(":")
    try:
        if name == "efm" and words:
            size = words[0] if words[0] == "all" else int(words[0])
            return make_objective(name, pool_size=size, replacement=_flag(words[1:], "replacement", text))
        if name == "otcfm" and words:
            return make_objective(name, coupling=words[0])
        if name == "noised" and words:
            return make_objective(name, sigma=float(words[0]), noise=words[1] if words[1:] else "constant")
        if words:
            raise ValueError
    except ValueError as error:
        if isinstance(error, FmdiagError):
            raise
        raise FmdiagError(f"loss {text!r} is not understood; give for example cfm, otcfm, otcfm:assignment, efm:128, "
                          "efm:all, efm:128:replacement, noised:0.05:bridge") from error
    return make_objective(name)


def _flag(words, flag, text):
    if words and words != [flag]:
        raise FmdiagError(f"loss {text!r}: after the pool size only {flag!r} may follow")
    return bool(words)
