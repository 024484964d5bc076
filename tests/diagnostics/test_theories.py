"""Theories: whatever poses as the network is found, û* is found to be û*, and a fit's examples make the difference."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag import ClosedFormField, TrainingSet, load_dataset
from fmdiag.closed_forms import CLOSED_FORMS
from fmdiag.diagnostics.theories import summary as summaries
from fmdiag.diagnostics.theories.calibration import candidates, patch_sizes
from fmdiag.diagnostics.theories.comparison import compare
from fmdiag.diagnostics.theories.fresh import fresh_examples
from fmdiag.diagnostics.theories.nearest import leads, reading, standings
from fmdiag.diagnostics.theories.samples import theory_samples
from fmdiag.diagnostics.theories.scores import fit, scores
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.ranks.group import SINGLE, Group

DIGITS = load_dataset("digits", n=60)
SMALL = {"times": [0.3, 0.8], "n_pairs": 6, "n_calibration": 3, "n_steps": 5}
THEORIES = [name for name in CLOSED_FORMS if name != "els"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def posing(name):
    """Return a field as no code of ours knows it, on DIGITS; patches of 5 pixels."""
    field = ClosedFormField(DIGITS) if name == "closed_form" else CLOSED_FORMS[name](
        DIGITS, **({"k": 5} if name in ("local-score", "pspc-square") else {}))
    return lambda x, t: field(x.double(), t)


@pytest.mark.parametrize("name", ["closed_form", *THEORIES])
def test_a_theory_that_poses_as_the_network_is_found(name):
    found = compare(posing(name), DIGITS, patch_sizes=[5], generator=generator(), held_out=False,
                    **SMALL | {"n_pairs": 24})
    ranks = standings(found.table)
    assert (ranks.loc[ranks["theory"] == name, "rank"] == 1).all()
    # At late times posteriors of few rows agree at most states: û* and what is like it are not told apart there.
    assert set(ranks.loc[ranks["candidate"] & (ranks["t"] == 0.3), "theory"]) == {name}
    own = found.table[(found.table["theory"] == name) & ~found.table["compared"]]
    assert own["r2"].min() > 1 - 1e-9 and own["squared_correlation"].min() > 1 - 1e-9
    samples = found.samples[found.samples["theory"] == name]
    # The network walks in float32, the theory in float64.
    assert samples["r2"].min() > 1 - 1e-6
    summary = summaries.summarise(found.table)
    shares = summary[(summary["quantity"] == "explained") & (summary["theory"] == name)]
    np.testing.assert_allclose(shares["value"], 1, atol=1e-9)
    assert ("explained" in set(summary["quantity"])) == (name != "closed_form")   # 0/0 is not given


def told(n=60, n_held_out=40, seed=0, shape=(1, 4, 4)):
    """Return a training set with a held-out set, noise of no structure."""
    rows = np.random.default_rng(seed).normal(size=(n + n_held_out, *shape)).astype(np.float32)
    return TrainingSet(rows[:n], held_out_source=TrainingSet(rows[n:], name="others"))


def test_scores_by_hand():
    rng = np.random.default_rng(0)
    v, u, star = (torch.from_numpy(rng.normal(size=(3, 1, 2, 4))) for _ in range(3))
    found = scores(v, u, star)
    for k in range(3):
        a, b = v[k].numpy().ravel(), u[k].numpy().ravel()
        assert found["r2"][k] == pytest.approx(1 - ((b - a) ** 2).sum() / ((b - b.mean()) ** 2).sum(), rel=1e-12)
        assert found["squared_correlation"][k] == pytest.approx(np.corrcoef(a, b)[0, 1] ** 2, rel=1e-10)
        assert found["squared_error"][k] == pytest.approx(((a - b) ** 2).mean(), rel=1e-12)
        assert found["optimum_error"][k] == pytest.approx(((b - star[k].numpy().ravel()) ** 2).mean(), rel=1e-12)
    assert (found["r2"] <= found["squared_correlation"] + 1e-12).all()
    # A factor and a constant change the one and not the other; a constant network has neither.
    moved = fit(2 * u + 1, u)
    np.testing.assert_allclose(moved["squared_correlation"], 1, rtol=1e-12)
    assert (moved["r2"] < 1).all() and np.isnan(fit(v, torch.ones_like(u))["r2"]).all()


def test_explained_is_a_ratio_of_means():
    table = fmdiag.theories(lambda x, t: -x, DIGITS, theories=["wiener"], generator=generator(), **SMALL)
    part = table[~table["compared"]].query("theory == 'wiener' and states == 'model' and t == 0.3")
    row = summaries.summarise(table).query("quantity == 'explained' and states == 'model' and t == 0.3").iloc[0]
    assert row["value"] == pytest.approx(1 - part["squared_error"].mean() / part["optimum_error"].mean(), rel=1e-12)
    np.testing.assert_allclose(part["explained"], 1 - part["squared_error"] / part["optimum_error"], rtol=1e-12)


def test_fresh_states_and_equal_sets_have_no_example_in_common():
    train = told(50, 31)
    fresh = fresh_examples(train, 8, generator=generator())
    own, other = fresh.sets["train"], fresh.sets["heldout"]
    assert len(own) == len(other) == 31 - 8 and len(fresh.states) == 8 and fresh.remark is None
    keys = [{x.numpy().tobytes() for x in rows} for rows in (fresh.states, own[:], other[:], train[:], train.unseen[:])]
    states, own, other, every, unseen = keys
    assert own <= every and other <= unseen and states <= unseen and not other & states


def test_recurring_content_is_in_neither_set_and_of_a_group_one_example():
    rows = np.arange(60, dtype=np.float32).reshape(60, 1)
    again = np.concatenate([rows[40:], rows[:2], rows[58:]])     # two training rows, and two that recur there
    with pytest.warns(FmdiagWarning, match="2 of 24 held-out examples equal training examples"):
        fresh = fresh_examples(TrainingSet(rows[:40], held_out_source=TrainingSet(again)), 4, generator=generator())
    shown = {float(x) for rows in fresh.sets.values() for x in rows[:].flatten()} | set(fresh.states.flatten().tolist())
    assert not shown & {58.0, 59.0}
    names = tuple(map(str, range(30)))
    own, others = (TrainingSet(part, groups=np.int64(part[:, 0] // 2), group_names=names)
                   for part in (rows[:40], rows[40:]))
    frames = replace(own, held_out_source=others)
    drawn = fresh_examples(frames, 2, generator=generator()).sets["train"][:].flatten().long() // 2
    assert len(drawn.unique()) == len(drawn)


def test_too_few_or_no_held_out_examples_are_said_and_the_rest_is_measured():
    for train, text in ((DIGITS.chosen(range(20), held_out_source=None), "has no held-out examples"),
                        (told(30, 9), "fewer than 8 of either kind")):
        found = compare(lambda x, t: -x, train, theories=["wiener"], generator=generator(), **SMALL)
        assert len(found.remarks) == 1 and text in found.remarks[0]
        assert not found.table["compared"].any() and found.left_out.empty and len(found.samples)
        assert summaries.preferences(found.table, found.left_out).empty


def test_patch_theories_are_left_out_for_vectors_in_one_line():
    found = compare(lambda x, t: -x, load_dataset("two-moons", n=40), generator=generator(), **SMALL)
    assert set(found.table["theory"]) == {"closed_form", "wiener", "smoothed", "pca-locality"}
    [text] = [text for text in found.remarks if "patches" in text]
    assert "local score, PSPC-Square" in text and "shape (2,)" in text and "\n" not in text


@pytest.mark.parametrize(("options", "text"), [
    ({"patch_sizes": [4]}, "odd"), ({"patch_sizes": [17]}, "from 1 to 15"), ({"patch_sizes": [3, 3, 3]}, "2 times"),
    ({"theories": ["weiner"]}, "wiener"), ({"times": [0.0]}, r"t = 0"), ({"times": [1.0]}, "singular"),
    ({"n_pairs": 1}, "at least 2"), ({"n_calibration": 0}, "at least 1"), ({"method": "eular"}, "euler")])
def test_bad_input(options, text):
    with pytest.raises(FmdiagError, match=text) as error:
        compare(lambda x, t: -x, DIGITS, generator=generator(), **SMALL | options)
    assert "\n" not in str(error.value)


def test_states_start_at_the_same_noise_and_lie_where_they_should():
    seen = []

    def network(x, t):
        seen.append((float(t[0]), x.clone()))
        return -x

    train = told()
    compare(network, train, theories=["wiener"], generator=generator(), only_states=True, **SMALL | {"times": [0.4]})
    # Five Euler steps of -x on the grid 0, .2, ..., and the states of all kinds at t = .4.
    x0, asked = seen[0][1], seen[-1][1]
    training, held_out, own = asked.split(6)
    torch.testing.assert_close(own, x0 * 0.8**2)
    for states, rows in ((training, train[:]), (held_out, train.unseen[:])):
        ends = (states - 0.6 * x0) / 0.4
        assert (ends[:, None] - rows).flatten(2).abs().amax(2).amin(1).max() < 1e-5


def test_samples_of_a_theory_are_those_of_eulers_steps():
    field = CLOSED_FORMS["wiener"](DIGITS)
    x0 = torch.randn(3, *DIGITS.shape, generator=generator()).double()
    ours = theory_samples(field, x0, [k / 10 for k in range(11)])
    torch.testing.assert_close(ours, fmdiag.sample(field, x0, n_steps=10), rtol=1e-9, atol=1e-9)


def test_the_patch_sizes_of_a_local_network_are_found():
    """A field of patches of 9 pixels at early and 3 at late times chooses them on trajectories of its own."""
    network = CLOSED_FORMS["local-score"](DIGITS, k=[9, 3], times=[0.4, 0.8])
    found = compare(network, DIGITS, theories=["local-score"], generator=generator(), held_out=False,
                    **SMALL | {"times": [0.4, 0.8]})
    assert found.sizes["patch_size"].tolist() == [9, 3] and set(found.sizes["chosen"]) == {"calibrated"}
    assert found.calibration.groupby("t")["noise"].nunique().tolist() == [3, 3]
    assert found.calibration["cosine"].min() > 1 - 1e-9
    assert candidates(DIGITS.shape) == [1, 3, 5, 7, 9, 15] and candidates((1, 2, 3)) == [1, 3, 5]
    assert candidates((1, 28, 28)) == [1, 3, 5, 7, 9, 13, 19, 23, 29, 55]


def test_calibration_noises_are_evaluated_nowhere():
    raw = compare(lambda x, t: -x, DIGITS, theories=["local-score"], generator=generator(), held_out=False, **SMALL)
    assert len(raw.calibration) == 2 * 3 and raw.table["pair"].nunique() == 6
    assert patch_sizes({}, None).empty


class Thirds(Group):
    """A group whose shares are worked on one after the other."""

    def spread(self, items, work):
        return [work(part) for part in items.chunk(3)]


def test_sharing_the_work_changes_nothing_but_rounding():
    alone, shared = (compare(lambda x, t: -x, DIGITS, theories=["wiener", "local-score"], generator=generator(),
                             group=group, **SMALL) for group in (SINGLE, Thirds()))
    for name in ("table", "left_out", "samples", "sizes", "calibration"):
        pd.testing.assert_frame_equal(getattr(alone, name), getattr(shared, name), rtol=1e-6, atol=1e-9)
    assert len(alone.left_out) == 3 * 2 * 2 * 2 * 8     # theories, fits, kinds of states, times, groups


def test_preference_by_brute_force():
    rng = np.random.default_rng(0)
    errors, without = (rng.gamma(3.0, size=(2, 1, 5)) for _ in range(2))
    found = summaries.estimate(list(errors), list(without))
    train, heldout = errors.mean(2)[:, 0]
    assert found.value == pytest.approx([(heldout - train) / (heldout + train)] * 2)
    ratio = lambda a, b: (b - a) / (b + a)  # noqa: E731
    parts = [[ratio(np.delete(errors[0, 0], s).mean(), np.delete(errors[1, 0], s).mean()) for s in range(5)],
             [ratio(g, heldout) for g in without[0, 0]], [ratio(train, g) for g in without[1, 0]]]
    variance = sum(4 / 5 * np.square(np.array(p) - np.mean(p)).sum() for p in parts)
    assert found.error == pytest.approx([variance**0.5] * 2)
    swapped = summaries.estimate(list(errors[::-1]), list(without[::-1]))
    assert swapped.value == pytest.approx(-found.value) and swapped.error == pytest.approx(found.error)


def test_a_network_that_memorises_prefers_its_training_examples():
    train = told(40, 60)
    found = compare(ClosedFormField(train), train, theories=["wiener"], generator=generator(),
                    **SMALL | {"n_pairs": 16})
    rows = summaries.preferences(found.table, found.left_out)
    own = rows.query("theory == 'closed_form' and quantity == 'train_preference_overall'")
    assert (own["low"] > 0).all() and set(own["interval"]) == {"jackknife", "simultaneous"}
    text = reading(standings(found.table), pd.concat([summaries.summarise(found.table), rows]))
    assert "nearer to the network when fitted on training examples than on as many held-out ones: û*" in " ".join(
        text["details"])


def table_of(errors):
    """Return a table of squared errors, {theory: array of shape (times, pairs)}, at one kind of state."""
    return pd.DataFrame([{"theory": name, "states": "model", "t": 0.2 + 0.2 * k, "pair": s, "compared": False,
                          "squared_error": value} for name, values in errors.items()
                         for (k, s), value in np.ndenumerate(values)])


def test_candidates_are_those_that_are_not_told_apart():
    rng = np.random.default_rng(0)
    base, columns = rng.gamma(4.0, size=(2, 30)), ["quantity", "interval", "states", "theory", "t"]
    found = standings(table_of({"near": base, "like": base * rng.uniform(0.8, 1.25, (2, 30)), "far": 3 * base + 1}))
    assert set(found.loc[found["candidate"], "theory"]) == {"near", "like"}
    assert (found.loc[found["theory"] == "far", "low"] > 0.5).all()
    lead = leads(found)
    assert (lead["low"] <= 0).all() and (lead["high"] >= 0).all()
    text = reading(found, pd.DataFrame(columns=columns))["text"]
    assert text == ("On the model's own trajectories: undecided at t = 0.2 to 0.4 (û* among the candidates at none of "
                    "them).")
    found = standings(table_of({"closed_form": 2 * base, "wiener": base}))
    assert found.loc[found["candidate"], "theory"].tolist() == ["wiener"] * 2
    text = reading(found, pd.DataFrame(columns=columns))["text"]
    assert text == "On the model's own trajectories: Wiener is nearest to the network at t = 0.2 to 0.4."


def test_theories_that_coincide_are_one():
    base = np.random.default_rng(0).gamma(4.0, size=(1, 20))
    found = standings(table_of({"a": base * (1 + 1e-15), "closed_form": base, "far": 5 * base})).set_index("theory")
    assert found["same_as"].to_dict() == {"closed_form": "", "far": "", "a": "closed_form"}
    assert found["rank"].to_dict() == {"closed_form": 1, "far": 2, "a": 1}
    assert found["candidate"].to_dict() == {"closed_form": True, "far": False, "a": False}
    alone = standings(table_of({"closed_form": base, "far": 5 * base})).set_index("theory")
    assert found.loc["far", "low"] == alone.loc["far", "low"]     # the twin makes no further comparison
