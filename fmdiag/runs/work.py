"""Work of a diagnostic before it is done: rows and calls of the network, points of û*, statistics, from its parameters.

Counted are what grows with the data: rows that the network is asked about, and points at which û* is asked, each a pass
over all training rows. Ways of asking û* that cost less than a point by itself (curves, walks, shells, searches of
neighbors) are counted as parts of one, measured on digits and Fashion-MNIST. What is left, statistics and pictures,
hardly grows with the data: seconds of the committed record, for the numbers of a report.
"""

from dataclasses import dataclass, field

from fmdiag.diagnostics.alignment.measure import TIMES as OF_ALIGNMENT
from fmdiag.diagnostics.error.bands import band_size
from fmdiag.diagnostics.error.measure import TIMES as OF_ERROR
from fmdiag.diagnostics.error.states import chosen_kinds
from fmdiag.diagnostics.geometry.measure import TIMES as OF_GEOMETRY
from fmdiag.diagnostics.gradient_variance.measure import TIMES as OF_GRADIENTS
from fmdiag.diagnostics.hybrid.measure import TAUS
from fmdiag.diagnostics.membership.measure import TIMES as OF_MEMBERSHIP
from fmdiag.diagnostics.memorization import steps
from fmdiag.diagnostics.points.judged import N_SAMPLES, judged_samples
from fmdiag.diagnostics.points.pairs import check_times
from fmdiag.diagnostics.provenance.measure import TIMES as OF_PROVENANCE
from fmdiag.diagnostics.symmetry.measure import TIMES as OF_SYMMETRY
from fmdiag.diagnostics.theories.comparison import TIMES as OF_THEORIES
from fmdiag.diagnostics.uturn.measure import TIMES as OF_UTURN
from fmdiag.sampling import nearest_time, time_grid

STAGES = {"euler": 1, "midpoint": 2, "heun2": 2, "rk4": 4, "dopri5": 6}
AT_ONCE = 256                       # rows of a call
# Points of û* that these cost: a pair and a time of a curve, of separate paths, of shells, of fresh paths; a step of a
# trajectory; a query of a search.
CURVE, ALONG, SHELLS, FRESH, WALK, QUERY = 0.3, 0.6, 0.05, 0.2, 0.65, 0.4
PRODUCTS = 2.5                      # rows of the network that a product with its Jacobian costs
CONTROLS = 64                       # samples of û* beside those that are judged


@dataclass
class Work:
    """What a diagnostic asks.

    Attributes
    ----------
    what : str
        Its size in words: pairs, samples, times.
    rows, calls : float
        Of the network.
    products : float
        Of the network's Jacobian with a vector.
    gradients : int
        Of the loss of a single row in all weights.
    points : float
        Of û*, each a pass over all training rows.
    operations : float
        Of products of matrices besides.
    samples : tuple
        (n, n_steps, method) of samples that all diagnostics share.
    """

    what: str
    rows: float = 0
    calls: float = 0
    products: float = 0
    gradients: int = 0
    points: float = 0
    operations: float = 0
    samples: tuple = field(default=())

    def ask(self, rows, times=1):
        """Count `times` calls of the network, or as many as so many rows need, of `rows` rows each."""
        self.rows += rows * times
        self.calls += -(-rows // AT_ONCE) * times
        return self

    def carry(self, rows, solver, after=0.0, times=()):
        """Count trajectories of the network from a time on."""
        grid = time_grid(solver.n_steps, times)
        start = nearest_time(grid, after)
        return self.ask(rows, sum(t >= start for t in grid[:-1]) * STAGES[solver.method])


def _times(given, usual):
    return check_times(list(usual if given is None else given))


def _alignment(run, p):
    times, sides = len(_times(p.times, OF_ALIGNMENT)), len(p.sizes or ()) or 1
    return Work(f"{p.n_pairs} pairs x {times} times" + (f" x {sides} sizes" if p.sizes else ""),
                points=sides * times * (CURVE * p.n_pairs + FRESH * p.n_fresh))


def _error(run, p):
    times, kinds = _times(p.times, OF_ERROR), chosen_kinds(p.states, run.training_set)
    held_out = 0 if run.training_set.unseen is None else min(p.n_pairs, run.training_set.unseen.n)
    asked, found = len(times), Work(f"{p.n_pairs} pairs x {len(times)} times ({', '.join(kinds)})")
    band = 0 if kinds == ["train"] else band_size(run.training_set.n)
    found.points = asked * SHELLS * band
    for kind, rows, each in (("train", p.n_pairs, CURVE), ("heldout", held_out, ALONG), ("model", p.n_pairs, 1),
                             ("closed_form", p.n_pairs, 2 * WALK)):
        if kind in kinds:
            found.ask(rows, asked)
            found.points += each * rows * asked
    if "model" in kinds:
        grid = [t for t in time_grid(p.n_steps, times) if t < max(times)]
        found.ask(p.n_pairs, len(grid) * STAGES[p.method])
    return found


def _hybrid(run, p):
    taus = sorted({tau for grid in p.taus for tau in grid}) or TAUS
    unseen = run.training_set.unseen
    walks = 1 + (0 if unseen is None else 2 * min(1.0, unseen.n / run.training_set.n))   # beside it, of equal numbers
    found = Work(f"{p.n_samples} initial noises x {len(taus)} tau", points=p.n_samples * (
        walks * WALK * p.n_steps + QUERY * len(taus)))
    for tau in taus:
        found.carry(p.n_samples, p, tau, taus)
    return found


def _judged(run, p, what="samples"):
    """Return the Work of samples that are given, or drawn and shared."""
    if p.samples is not None:
        return Work(f"{len(judged_samples(run, p)[0])} {what}")
    n = p.n_samples or N_SAMPLES
    return Work(f"{n} {what}", samples=((n, p.n_steps, p.method),))


def _memorization(run, p):
    found, rows = _judged(run, p), run.training_set
    n = int(found.what.split()[0])
    held_out = 0 if rows.unseen is None else min(n, rows.unseen.n)
    if found.samples:
        checked = steps.number_checked(n)
        found.samples += ((checked, steps.other_steps(p.n_steps), p.method),)
        n += checked
    found.points = CONTROLS * WALK * p.n_steps + QUERY * len(p.features) * (2 * n + held_out + CONTROLS)
    return found


def _quality(run, p):
    return _judged(run, p, f"samples, {', '.join(p.features)}")


def _canaries(run, p):
    found = _judged(run, p, "samples against canaries")
    found.points = QUERY * int(found.what.split()[0])
    return found


def _gradients(run, p):
    times = len(_times(p.times, OF_GRADIENTS))
    return Work(f"{p.n_samples} pairs x {times} times", gradients=p.n_samples * times)


def _membership(run, p):
    rows, times = run.training_set, len(_times(p.times, OF_MEMBERSHIP))
    images = 2 * min(p.n_images, rows.n_stored, rows.unseen.n if rows.unseen is not None else 0)
    found = Work(f"{images // 2} images of each kind x {p.n_noises} noises x {times} times")
    found.ask(images * p.n_noises, 2 * times).carry(p.n_paths, p, times=(0.9,))
    if tuple(p.attacks) != ("none",):
        found.ask(images, 8 * times + 2)
    found.points = images * times * p.n_noises * (1 + 2 * min(1.0, 4096 / rows.n)) + WALK * p.n_paths * p.n_steps
    return found


def _uturn(run, p):
    times, rows = _times(p.times, OF_UTURN), run.training_set
    starts = min(p.n_starts, rows.n_stored) + min(p.n_starts, 0 if rows.unseen is None else rows.unseen.n)
    found = Work(f"{starts} starts x {len(times)} times")
    for t in times:
        before = found.rows
        found.carry(starts, p, t, times)
        found.points += WALK * (found.rows - before) / STAGES[p.method]
    found.points += QUERY * 3 * starts * len(times)
    return found


def _geometry(run, p):
    times, rows = len(_times(p.times, OF_GEOMETRY)), run.training_set
    held_out = 0 if rows.unseen is None else min(p.n_images, rows.unseen.n)
    points = p.n_images + min(p.n_images, rows.n_stored) + held_out
    probes = rows.dim if rows.dim <= 128 else p.n_probes
    found = Work(f"{points} points x {times} times x {probes} directions",
                 samples=((p.n_images, p.n_steps, p.method),))
    found.ask(points, times)
    found.products, found.points = points * times * probes, 3 * points * times
    return found


def _symmetry(run, p):
    times, paths = _times(p.times, OF_SYMMETRY), p.n_noises + 1
    found = Work(f"{paths} trajectories x {len(times)} times").carry(paths, p, times=times)
    found.products = 20 * paths * len(times)
    found.calls += 5 * len(times)
    found.points = WALK * paths * p.n_steps + 3 * paths * len(times)
    return found


def _patches(run, p):
    found, rows = _judged(run, p, "images"), run.training_set
    n, places = int(found.what.split()[0]), rows.shape[-1] * rows.shape[-2]
    judged = n + min(n, 0 if rows.unseen is None else rows.unseen.n) + 2 * p.n_controls
    side = p.window or max(5, min(rows.shape[1:]) // 4)
    same = 2.0 * rows.n * judged * places * rows.shape[0] * side**2 / p.stride**2
    found.operations = same * (1 + min(p.n_any, n) / judged * places / p.stride**2 if p.n_any else 1)
    found.points = 2 * WALK * p.n_controls * p.n_steps
    return found


def _provenance(run, p):
    shown, solver = len(p.sample_numbers) or 8, (p.n_steps, p.method)
    n = max(p.n_noises, max(p.sample_numbers, default=7) + 1)
    found = Work(f"{n} noises, {p.n_samples + shown} trajectories", samples=((n, *solver),))
    for rows in (shown, p.n_samples):
        found.carry(rows, p, times=OF_PROVENANCE)
        found.points += rows * (WALK * p.n_steps + 2 * len(OF_PROVENANCE))
    found.points += 1.2 * n * (WALK * p.n_steps + 2 * QUERY)
    return found


def _duplicates(run, p):
    rows = run.training_set
    asked = min(p.n_examples or rows.n_stored, rows.n_stored)
    return Work(f"{asked} training examples", points=QUERY * asked)


def _theories(run, p):
    times = len(_times(p.times, OF_THEORIES))
    kinds, theories = 3, len(p.theories) or 5
    found = Work(f"{p.n_pairs} initial noises x {times} times, {theories} theories").carry(p.n_pairs, p)
    found.ask(kinds * p.n_pairs + p.n_calibration, times)
    found.points = theories * ((kinds * p.n_pairs + 3 * p.n_calibration) * times + p.n_pairs * p.n_steps)
    return found


def _agreement(run, p):
    found = Work(f"{p.n_samples} initial noises, two models").carry(2 * p.n_samples, p)
    found.points = p.n_samples * (4 * WALK * p.n_steps + 4 * QUERY)
    return found


WORK = {"alignment": _alignment, "error": _error, "hybrid": _hybrid, "memorization": _memorization,
        "quality": _quality, "metrics": _quality, "canaries": _canaries, "gradient-variance": _gradients,
        "membership": _membership, "uturn": _uturn, "geometry": _geometry, "symmetry": _symmetry,
        "patches": _patches, "provenance": _provenance, "duplicates": _duplicates, "theories": _theories,
        "agreement": _agreement}


def work_of(run, name, parameters):
    """Return the Work of a diagnostic of ours; None of another, of which nothing is known."""
    return WORK[name](run, parameters) if name in WORK else None
