"""Rates of this machine, measured in a few seconds: a call of the network, û* at a point, a gradient, a training step.

Each is the least of repetitions for a fifth of a second, two at least, the first of which warms up. The network is
asked once about one row and once about as many as a second allows, 256 at most: a call and a row of a call have their
own times. û* is that of at most ENTRIES coordinates of training rows, and its time is scaled to all of them.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.fields import ClosedFormField, build_network, is_sampler
from fmdiag.runs.work import AT_ONCE
from fmdiag.sampling import draw_noise, sample

ENTRIES = 20_000_000
MEMORY_RATE = 1.5e10   # bytes a second
POINTS, TIME, SECONDS, LEAST = 64, 0.3, 1.0, 0.2


@dataclass
class Rates:
    """Seconds of what diagnostics are made of.

    Attributes
    ----------
    call, row : float
        Of a call of the network, and of each row of it; NaN without a network.
    point : float
        Of û* at one point, over all training rows.
    product_rate : float
        Operations a second of the two products of û*.
    gradient : float
        Of the gradient of one row's loss in all weights.
    """

    call: float
    row: float
    point: float
    product_rate: float
    gradient: float


def rates_of(run, *, gradients=True, clock=time.perf_counter):
    """Return the Rates of a run's model and training set on its devices."""
    call, row = network_rates(run, clock) if run.field is not None else (0.0, 0.0)
    point, rate = closed_form_rates(run, clock)
    return Rates(call, row, point, rate, _gradient(run, clock) if gradients and run.field is not None else 0.0)


def least(work, clock=time.perf_counter):
    """Return the least seconds of `work()`, one round of which is not counted; rounds go on for LEAST seconds."""
    taken = []
    while len(taken) < 2 or sum(taken[1:]) < LEAST:
        start = clock()
        work()
        taken.append(clock() - start)
    return min(taken[1:])


def split(one, many, n):
    """Return (seconds of a call, seconds of each of its rows) from a call of one row and one of n."""
    row = max(0.0, (many - one) / (n - 1)) if n > 1 else one
    return max(0.0, one - row), row


def network_rates(run, clock=time.perf_counter):
    """Return the seconds of a call of the run's network and of each row of it."""
    field, shape = run.field, run.training_set.shape

    def ask(n):
        x = draw_noise(n, shape, generator=torch.Generator().manual_seed(0))
        return least(lambda: sample(field, x, 1) if is_sampler(field) else field(x, torch.full((n,), TIME)),
                     clock)

    one = ask(1)
    n = int(min(AT_ONCE, max(2, SECONDS / max(one, 1e-9))))
    return split(one, ask(n), n)


def closed_form_rates(run, clock=time.perf_counter):
    """Return (seconds of û* at a point, operations a second of its products)."""
    rows = run.training_set
    kept = max(2, min(rows.n_stored, ENTRIES // rows.dim))
    part = rows if kept == rows.n_stored else rows.chosen(np.arange(kept))
    u_star = ClosedFormField(part, run.path, memory=run.memory, device=run.device)
    x, t = draw_noise(POINTS, rows.shape, generator=run.generator()), torch.full((POINTS,), TIME)
    seconds = least(lambda: u_star(x, t), clock) / POINTS
    return seconds * rows.n / part.n, 4.0 * part.n * rows.dim / seconds


def _gradient(run, clock):
    """Return the seconds of the gradient of one row's loss, 0 where no weights are reached."""
    module = run.network
    weights = [p for p in module.parameters() if p.is_floating_point()] if isinstance(module, torch.nn.Module) else []
    if not weights:
        return 0.0
    before = [p.requires_grad for p in weights]
    x, t = draw_noise(1, run.training_set.shape, generator=run.generator()).to(weights[0].device), torch.full((1,), .5)

    def work():
        with torch.enable_grad():
            loss = module(x, t.to(x.device)).square().sum()
            torch.autograd.grad(loss, weights, allow_unused=True)

    try:
        for p in weights:
            p.requires_grad_(True)
        return least(work, clock)
    except (RuntimeError, TypeError):   # no gradient reaches its weights; the diagnostic itself will say so
        return 0.0
    finally:
        for p, flag in zip(weights, before, strict=True):
            p.requires_grad_(flag)


def training_step(spec, batch_size, device="cpu"):
    """Return (seconds of a training step, seconds of a call, of a row, bytes of weights) of a network to be trained."""
    with torch.random.fork_rng(devices=[]):
        module = build_network(spec).to(device)
    x = torch.randn(batch_size, *spec["shape"], generator=torch.Generator().manual_seed(0)).to(device)
    t, weights = torch.full((batch_size,), TIME, device=device), list(module.parameters())

    def step(n):
        loss = module.train()(x[:n], t[:n]).square().mean()
        return torch.autograd.grad(loss, weights, allow_unused=True)

    def passed(n):
        with torch.no_grad():
            return module.eval()(x[:n], t[:n])

    one, few = least(lambda: step(1)), min(batch_size, 16)
    some = least(lambda: step(few))
    # All of a batch at once where that is quick; else a call and its rows, which differ in time.
    n = batch_size if some < SECONDS / 4 else few
    trained = least(lambda: step(n)) if n > few else split(one, some, few)[0] + batch_size * split(one, some, few)[1]
    n_bytes = sum(p.numel() * p.element_size() for p in weights)
    # Adam and the moving average read or write weights, their gradients and moments some twenty times.
    update = 20 * n_bytes / MEMORY_RATE
    return trained + update, *split(least(lambda: passed(1)), least(lambda: passed(n)), n), n_bytes

