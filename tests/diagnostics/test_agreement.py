"""Agreement: a field agrees with itself, memorising fields of disjoint halves do not, one law learnt by both does."""

from dataclasses import replace

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
    assert "nearer_train_a" not in set(summary["quantity"])
    assert "no held-out examples to compare with" in verdict(summary) and "to each other" not in verdict(summary)
    told = [replace(half, held_out_source=other) for half, other in zip(HALVES, HALVES[::-1], strict=True)]
    summary = summarise(measure(fields, told, n_samples=20, generator=generator()))
    assert verdict(summary).startswith("No agreement found") and "nearer to training examples than to as many" in \
        verdict(summary) and "not shown to be nearer to training" not in verdict(summary)


def test_fields_that_learnt_the_law_agree():
    rows = [TrainingSet(np.random.default_rng(k).standard_normal((30, 16)).astype(np.float32)) for k in (0, 1)]
    other = lambda x, t: population(x, t) + 0.01  # noqa: E731 - the same law, all but
    summary = summarise(measure((population, other), rows, n_samples=30, generator=generator()))
    assert value(summary, "closer") == 1 and value(summary, "excess_cosine") > 0.5
    # 0.01 per coordinate, carried through the flow.
    assert value(summary, "distance") < 0.2
    assert verdict(summary).startswith("The models agree: ")


def turned(angle):
    """Return samples of N(0, I) in 8 dimensions from 60 noises, and the same turned in each of four planes."""
    a = torch.from_numpy(np.random.default_rng(5).normal(size=(60, 8))).float()
    plane = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).float()
    return a, (a.reshape(60, 4, 2) @ plane.T).reshape(60, 8)


def told(seed, n=600):
    points = np.random.default_rng(seed).normal(size=(2 * n, 8)).astype(np.float32)
    return TrainingSet(points[:n], held_out_source=TrainingSet(points[n:]))


def test_perfect_samplers_that_differ_by_a_turn_are_no_nearer_to_training_rows_than_to_held_out_ones():
    """The distance by 80 degrees is larger than that to training rows, of which nothing follows."""
    summary = summarise(compare(turned(np.radians(80)), (told(1), told(2))))
    assert value(summary, "advantage") < 0 and summary.set_index("quantity").loc["advantage", "high"] < 0
    for name in "ab":
        found = summary.set_index("quantity").loc[f"nearer_train_{name}"]
        assert found["low"] < 0 < found["high"]
    assert verdict(summary).count("not shown to be nearer to training examples") == 2
    small = verdict(summarise(compare(turned(np.radians(10)), (told(1), told(2)))))
    assert small.startswith("The models agree: ") and small.count("not shown to be nearer to training") == 2


def test_the_difference_to_held_out_rows_has_its_level():
    """40 pairs of sets: P[7 or more intervals miss 0] = .3 % at 5 % each."""
    samples, missed = turned(0.2), 0
    for seed in range(40):
        found = summarise(compare(samples, (told(seed, 60), told(100 + seed, 60)))).set_index("quantity")
        missed += not found.loc["nearer_train_a", "low"] <= 0 <= found.loc["nearer_train_a", "high"]
    assert missed < 7


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
