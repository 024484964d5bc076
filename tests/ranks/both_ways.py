"""Run by torchrun: every set alone and shared out over the ranks; rank 0 prints the largest differences as JSON."""

import json
import os

import numpy as np
import torch
import torch.distributed as dist

from fmdiag.datasets import TrainingSet
from fmdiag.datasets.moments import with_moments, with_noise
from fmdiag.paths import LinearPath
from fmdiag.posterior import Posterior
from fmdiag.posterior.guided import posterior_of
from fmdiag.ranks.group import Group
from fmdiag.sampling import draw_noise

TIMES = [0.0, 0.01, 0.1, 0.2, 0.3, 0.5, 0.9, 0.999, 1 - 1e-6]
EARLY, LATE = [0.01, 0.02, 0.05], [0.99, 0.999, 0.9999]


def training_sets():
    rng = np.random.default_rng(0)
    yield "one row", TrainingSet(rng.normal(size=(1, 100)).astype(np.float32))
    yield "two rows", TrainingSet(rng.normal(size=(2, 5)).astype(np.float32))
    yield "duplicates", TrainingSet(np.repeat(rng.normal(size=(101, 20)), 3, axis=0).astype(np.float32))
    yield "flips", TrainingSet(rng.integers(0, 256, (91, 3, 8, 8), dtype=np.uint8), 127.5, -1.0, hflip=True)
    yield "plane", TrainingSet(rng.normal(size=(700, 2)).astype(np.float32))
    yield "wide", TrainingSet(rng.normal(size=(703, 150)).astype(np.float32))
    labelled = TrainingSet(rng.normal(size=(61, 20)).astype(np.float32), labels=np.arange(61) % 2)
    yield "guided", labelled.of_class(1, guidance=2.0)
    moments = with_moments(TrainingSet(rng.uniform(0.1, 1, size=(61, 4, 5)).astype(np.float32)), "mean-std")
    yield "sampled anew", moments
    yield "with noise", with_noise(labelled, 0.2)


def answers(data, memory, **group):
    """Return the Posteriors along the curve, then those of the plain call."""
    engine = posterior_of(data, memory=memory, **group)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(data.n, (23,), generator=generator)
    x0, x1 = draw_noise(23, data.shape, generator=generator), data[rows.numpy()]
    parts = [[] for _ in TIMES]
    for k, pairs, found in engine.curve(x0, x1, rows, TIMES):
        parts[k].append((pairs, found))
    for found in parts:
        order = torch.cat([pairs for pairs, _ in found]).argsort()
        yield Posterior.concatenate([posterior for _, posterior in found]).select(order)
    for t in (0.0, 0.3, 0.9, 0.999):
        yield engine(LinearPath().sample(x0.double(), x1.double(), t), t, source_rows=rows)


def differences(data, memory, group):
    """Return the largest differences; ranks but the first only do their share."""
    worst = {}
    shared = list(answers(data, memory, group=group))
    if group.rank:
        return worst
    for alone, together in zip(answers(data, memory), shared, strict=True):
        for name, expected in vars(alone).items():
            expected = expected.double()
            gap = (getattr(together, name) - expected).abs() / expected.abs().clamp(min=1)
            worst[name] = max(worst.get(name, 0.0), gap.max().item())
    return worst


class Counted(Group):
    """Counts the bytes of the tensors that it gives to collectives."""

    bytes = 0

    def _reduce(self, x, operation):
        self.bytes += x.numel() * x.element_size()
        return super()._reduce(x, operation)


def exchanged(n, times):
    """Return the bytes that the curve of 23 pairs among n rows of 150 coordinates exchanges; of no times, one call."""
    group = Counted(dist.group.WORLD)
    data = TrainingSet(np.random.default_rng(0).normal(size=(n, 150)).astype(np.float32))
    rows = torch.arange(23)
    x0 = draw_noise(23, data.shape, generator=torch.Generator().manual_seed(0))
    engine = posterior_of(data, memory=1 << 30, group=group)
    if not times:
        engine(x0, 0.5)
    for _ in engine.curve(x0, data[rows.numpy()], rows, times) if times else ():
        pass
    return group.bytes


if __name__ == "__main__":
    dist.init_process_group("gloo")
    ranks = Group(dist.group.WORLD)
    # With little memory no row is kept, so that each is read from its own share at every use; other sets hold few.
    found = {f"{name}, {memory}": differences(data, memory, ranks)
             for name, data in training_sets() for memory in (1 << 30, 1 << 17)
             if memory == 1 << 30 or name not in ("one row", "two rows", "plane", "with noise")}
    if ranks.rank == 0:
        print(json.dumps(found))
    # Many rows carry weight at the early times; at the late ones the pair's own row alone.
    counted = [exchanged(n, times) for n in (1003, 2003) for times in (EARLY, LATE, [])]
    if ranks.rank == 0:
        print(json.dumps(counted), flush=True)
    dist.destroy_process_group()
    # At the interpreter's end gloo's threads may still let go of Python objects, which aborts the process.
    os._exit(0)
