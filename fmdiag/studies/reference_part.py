"""Reference values of a training set's size: what copies, and fresh data, would score.

d1_train: mean distance of a training row to the nearest other one (the dashed line of figure 2, right). d1_heldout and
f_mem_null: the same for held-out rows, and the share of them that the 1/3 rule would call memorised. f_mem_control:
that share for samples of û*, which must be 1. frechet_copies: test distance of as many copies of training rows as a
model draws samples, so of a perfect memoriser; on the whole set, of a perfect sampler.
"""

import time

import numpy as np
import pandas as pd

from fmdiag.diagnostics.memorization import measure as memorization
from fmdiag.fields import ClosedFormField
from fmdiag.metrics.frechet import frechet_distance
from fmdiag.neighbors import nearest
from fmdiag.paths import path_from_description
from fmdiag.sampling import closed_form_samples, draw_noise
from fmdiag.studies.data import generator


def make(part, data, store, *, device="cpu", progress=None):
    """Measure the reference values of one training subset and publish the part; parameters as in `training_part`."""
    started = time.monotonic()
    training_set, order = data.subset(part.inputs["data"])
    with store.work(part):
        table = measure(part.inputs, training_set, order, data)
        store.publish(part, {"reference": table}, {}, {"seconds": round(time.monotonic() - started, 1)})


def measure(inputs, training_set, order, data):
    """Return the reference values, a table of one row."""
    seed, n_nearest = inputs["seed"], inputs["n_nearest"]
    rng = np.random.default_rng(seed)
    rows = rng.permutation(training_set.n)[:n_nearest]
    own = nearest(training_set[rows], training_set, exclude=rows).distances[:, 0]
    held_out = training_set.unseen
    fresh = _tabulate(held_out[rng.permutation(held_out.n)[:n_nearest]], training_set)
    u_star = ClosedFormField(training_set, path_from_description(inputs["path"]))
    noise = draw_noise(inputs["n_closed_form"], training_set.shape, generator=generator(seed, "closed form"))
    control = _tabulate(closed_form_samples(u_star, noise, 100), training_set)
    copies = data.train_features[rng.choice(order, inputs["n_samples"], replace=len(order) < inputs["n_samples"])]
    return pd.DataFrame([{
        "d1_train": own.mean(), "d1_heldout": fresh["d1"].mean(), "f_mem_null": fresh["memorized"].mean(),
        "n_null": len(fresh), "f_mem_control": control["memorized"].mean(), "n_control": len(control),
        "frechet_copies": frechet_distance(copies, data.test_features)}])


def _tabulate(points, training_set):
    return memorization.tabulate(range(len(points)), points, training_set, source="reference")
