"""Agreement: a field agrees with itself, memorising fields of disjoint halves do not, one law learnt by both does."""

import numpy as np
import pytest
import torch

from fmdiag import ClosedFormField, TrainingSet, load_checkpoint, load_dataset
from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.diagnostics.agreement.measure import compare, draw, measure, pictures, summarise, verdict
from fmdiag.diagnostics.agreement.run import _rows_of
from fmdiag.errors import FmdiagError

DIGITS = load_dataset("digits", n=60)
HALVES = [TrainingSet(DIGITS.rows[part], divisor=8.0, shift=-1.0) for part in (slice(0, 30), slice(30, 60))]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def value(summary, quantity):
    return summary.set_index("quantity").loc[quantity, "value"]


def population(x, t):
    """Return the optimal field of N(0, I) data on the linear path: it maps every noise to itself."""
    t = t.reshape(-1, *[1] * (x.ndim - 1)).to(x)
    return x * (2 * t - 1) / ((1 - t) ** 2 + t**2)


def test_a_field_agrees_with_itself():
    u_star = ClosedFormField(DIGITS)
    summary = summarise(measure((u_star, u_star), (DIGITS, DIGITS), n_samples=12, generator=generator()))
    assert value(summary, "distance") == 0 and value(summary, "cosine") == pytest.approx(1)
    # Both end on training rows: agreement alone is no evidence against memorisation.
    assert value(summary, "train_distance_a") == pytest.approx(0, abs=1e-6) and value(summary, "closer") == 0


def test_memorising_halves_disagree():
    fields = [ClosedFormField(half) for half in HALVES]
    summary = summarise(measure(fields, HALVES, n_samples=20, generator=generator()))
    assert value(summary, "train_distance_a") < 1e-6 and value(summary, "train_distance_b") < 1e-6
    assert value(summary, "distance") > 1 and value(summary, "closer") == 0
    assert verdict(summary).startswith("The models' samples are nearer to training rows")


def test_fields_that_learnt_the_law_agree():
    rows = [TrainingSet(np.random.default_rng(k).standard_normal((30, 16)).astype(np.float32)) for k in (0, 1)]
    other = lambda x, t: population(x, t) + 0.01  # noqa: E731 - the same law, all but
    summary = summarise(measure((population, other), rows, n_samples=30, generator=generator()))
    assert value(summary, "closer") == 1 and value(summary, "excess_cosine") > 0.5
    # 0.01 per coordinate, carried through the flow.
    assert value(summary, "distance") < 0.2
    assert verdict(summary).startswith("The models agree beyond their training rows")


def test_distances_by_brute_force_and_in_a_feature():
    samples = draw((population, lambda x, t: 0 * x), HALVES, n_samples=5, n_steps=5, generator=generator())
    table = compare(samples, HALVES)
    a, b = (x.double().flatten(1) for x in samples)
    near = (b[:, None] - HALVES[1][:].double().flatten(1)).norm(dim=2)
    np.testing.assert_allclose(table["train_distance_b"], near.amin(1), rtol=1e-9)
    np.testing.assert_allclose(table["distance"], (a - b).norm(dim=1), rtol=1e-12)
    np.testing.assert_allclose(table["distance_other"].iloc[-1], (a[-1] - b[0]).norm(), rtol=1e-12)

    def half(images):
        return images.flatten(1)[:, :32]

    half.name = "half"
    found = compare(samples, HALVES, feature=half)
    np.testing.assert_allclose(found["distance"], (a - b)[:, :32].norm(dim=1), rtol=1e-6)
    assert pictures(samples, table, HALVES)["nearest_b"].shape == (5, 1, 8, 8)


def test_models_of_different_shapes_and_too_few_samples_are_refused():
    moons = load_dataset("two-moons", n=20)
    with pytest.raises(FmdiagError, match=r"shape \(1, 8, 8\).*\(2,\)"):
        measure((population, population), (DIGITS, moons), generator=generator())
    with pytest.raises(FmdiagError, match="at least 2"):
        measure((population, population), HALVES, n_samples=1, generator=generator())


def test_what_is_wrong_with_the_second_set_names_its_option():
    with pytest.raises(FmdiagError, match="rows of shape .2,.: give its own --other-dataset"):
        _rows_of(load_checkpoint(bundled_checkpoint()), "two-moons-20", {})
