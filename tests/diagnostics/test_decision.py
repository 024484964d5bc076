"""Decision on copies: what it finds and does not, and that answer, sentence, p-value and power are of one rule."""

import dataclasses
import io
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import fmdiag
from checks.calibration.families import BASES, COPIES, NULLS, Case, independent, leaning, planted
from checks.calibration.repetition import contradiction, repeat
from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.memorization.decision import Space, decide, excess_p, label_share, spaces_of
from fmdiag.diagnostics.memorization.measure import measure
from fmdiag.diagnostics.memorization.near import NEIGHBOR, count_units, hits, nearness
from fmdiag.diagnostics.memorization.power import _times_found, power
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.diagnostics.memorization.summary import summarise
from fmdiag.errors import FmdiagWarning
from fmdiag.stats.label_test import Hits


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def table_of(case, seed=0):
    train = fmdiag.load_dataset(case.train, **case.options)
    return measure(case.samples, train, held_out=case.held_out, closed_form=False, generator=generator(seed))


def case_of(kind, share, base, seed=0):
    return planted(BASES[base], kind, share)(np.random.default_rng(seed))


@pytest.mark.parametrize(("kind", "share"), [("exact copies", 0.05), ("copies with noise .1", 0.1)])
@pytest.mark.parametrize("base", list(BASES))
def test_fault_3_1_noisy_copies_are_found_as_exact_ones_are(kind, share, base):
    found = verdict(table_of(case_of(kind, share, base)))
    assert found.answer == "copies found" and found.p < 0.05
    assert found.text.startswith("Copies found: ")


@pytest.mark.parametrize("kind", ["exact copies", "copies with noise .1"])
def test_fault_3_1_copies_of_training_rows_with_near_duplicates_are_found(kind):
    """d1/d2 is near 1 for a noisy copy of such a row; its tenth neighbor is far beyond both."""
    rng = np.random.default_rng(0)
    null = BASES["gaussian, 16 dimensions"](rng)
    train = np.concatenate([null.train[:200], null.train[:200] + 0.02 * rng.normal(size=(200, 16))]).astype(np.float32)
    samples = null.samples.copy()
    samples[:20] = COPIES[kind](rng, train[:20], 1.0)
    table = table_of(Case(train, null.held_out, samples))
    assert verdict(table).answer == "copies found"
    if kind != "exact copies":
        assert decide(spaces_of(table), table.attrs["pool"]).by_labels


@pytest.mark.parametrize("count", [3, 20, 100])
def test_fault_3_4_a_sampler_of_low_diversity_is_no_copier(count):
    """Eight repetitions: with a false-alarm rate of at most 5 %, three or more have a probability of at most 0.006."""
    sampler = NULLS[f"{count} draws repeated, 2 dimensions"]
    assert sum(verdict(table_of(sampler(np.random.default_rng(seed)))).answer == "copies found"
               for seed in range(8)) < 3


def test_samples_that_lean_towards_training_rows_are_no_copies():
    """A fifth of the way to the nearest row: at larger distances the labels would tell, near ones do not."""
    case = leaning(BASES["digits"], 0.2)
    answers = [verdict(table_of(case(np.random.default_rng(seed)))).answer for seed in range(4)]
    assert "copies found" not in answers


def test_fault_3_6_two_held_out_rows_leave_it_undecided():
    """On a line a third of the samples pass the rule, and 0 of 2 held-out rows exclude next to nothing."""
    null = independent(lambda rng, n: rng.normal(size=(n, 1)), n_held_out=2)(np.random.default_rng(1))
    found = verdict(table_of(null))
    assert found.answer == "undecided" and found.exclusion > 0.05 and "hold out more" in found.text


@pytest.mark.parametrize("name", ["gaussian, 2 dimensions", "digits", "videos split whole", "grid of 5^4",
                                  "exact copies, 10%, digits"])
def test_fault_3_2_answer_sentence_p_value_and_summary_agree(name):
    case = case_of("exact copies", 0.1, "digits") if "copies" in name else NULLS[name](np.random.default_rng(0))
    found = repeat(name, lambda rng: case, 0)
    assert found["contradiction"] is None
    assert (found["answer"] == "copies found") == ("copies" in name)


def test_a_contradiction_would_be_seen():
    result = fmdiag.Run(train="digits").memorization(samples=fmdiag.load_dataset("digits").held_out[:20], n_steps=2)
    assert contradiction(result) is None
    object.__setattr__(result.verdict, "p", 0.01)
    assert contradiction(result) == "p"


@pytest.mark.parametrize(("feature", "threshold", "levels"), [
    ("pixels", 1 / 3, {1 / 3: 0.75, 0.5: 0.25}), ("pca", 0.6, {0.6: 1}),
    ("efficientnet-lite0", 1 / 3, {1 / 3: 0.25, 0.5: 0.25, 0.75: 0.5}), ("dinov2", 1 / 3, {1 / 3: 0.75, 0.5: 0.25}),
    ("efficientnet-lite0", 0.5, {0.5: 0.5, 0.75: 0.5}),
    ("onnx:a.onnx", 0.8, {0.8: 1})])
def test_features_of_networks_are_tested_at_a_wider_level_too(feature, threshold, levels):
    """13 of 100 samples at 0.7, no held-out example: twice p of Fisher's test where that level has half the error."""
    ratios = np.where(np.arange(100) < 13, 0.7, 0.9)
    space = Space(feature, threshold, ratios, np.arange(100), np.full(100, 0.9), np.arange(100), None)
    assert space.thresholds == levels
    fisher = float(np.prod([(100 - k) / (200 - k) for k in range(13)]))
    expected = min([1.0, *(fisher / part for level, part in levels.items() if level > 0.7)])
    assert excess_p([space])[feature][0] == pytest.approx(expected)


def test_nearness_knows_nothing_of_the_labels():
    """Training and held-out examples exchanged: the same nearness, and the other kind of hit."""
    rng = np.random.default_rng(1)
    first, other, samples = (rng.normal(size=(n, 3)).astype(np.float32) for n in (60, 60, 40))
    one, two = (measure(samples, TrainingSet(a), held_out=b, closed_form=False, generator=generator())
                for a, b in ((first, other), (other, first)))
    one, two = (table[table["source"] == "model"] for table in (one, two))
    np.testing.assert_allclose(one["near"], two["near"])
    assert (one["hit"].to_numpy() == -1 - two["hit"].to_numpy()).all()


def test_nearness_is_measured_by_the_tenth_neighbor():
    distances = np.array([np.arange(1.0, 13.0), np.r_[2.0, 4.0, np.full(10, np.inf)]])
    assert NEIGHBOR == 10
    assert nearness(distances[:, 0], distances).tolist() == [0.1, 0.5]


def test_an_example_counts_once_its_mirror_image_and_duplicates_included():
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 255, size=(6, 1, 4, 4)).astype(np.uint8)
    train = TrainingSet(np.concatenate([rows, rows[:2]]), divisor=127.5, shift=-1.0, hflip=True)
    held_out = rng.integers(0, 255, size=(5, 1, 4, 4)).astype(np.uint8) / 127.5 - 1
    samples = train[[0, 6, 8, 1]]      # row 0, its duplicate, its mirror image, and row 1
    table = measure(samples, train, held_out=held_out.astype(np.float32), closed_form=False, generator=generator())
    assert count_units(train) == 6 and table.attrs["pool"][0] == 6
    found = hits(table[table["source"] == "model"])
    assert sorted(found.units) == [0, 1] and found.trained.all()


def test_groups_are_what_is_counted_where_there_are_some():
    rng = np.random.default_rng(3)
    train = fmdiag.load_dataset(rng.normal(size=(40, 5)).astype(np.float32), groups=np.arange(40) // 4)
    held_out = fmdiag.load_dataset(rng.normal(size=(20, 5)).astype(np.float32), groups=100 + np.arange(20) // 4)
    table = measure(train[np.arange(8)], train, held_out=held_out, closed_form=False, generator=generator())
    assert table.attrs["pool"] == (10, 5)
    assert len(hits(table[table["source"] == "model"]).units) == 2


@pytest.mark.parametrize(("pool", "part"), [((100, 100), 0.8), ((100, 40), 0.5), ((1000, 40), 0.2)])
def test_the_error_is_divided_by_sizes_alone(pool, part):
    """100 samples and 100 held-out rows: log 2 = .69; the others' log(1 + M / N) = .69, .34 and .039."""
    assert label_share(pool, 100, 100) == part


def space(n=200, m=100, hit=0):
    """Return a Space in which nothing passes the rule and few examples come near."""
    return Space("pixels", 1 / 3, np.full(n, 0.9), np.arange(n), np.full(m, 0.9), np.arange(m),
                 Hits(np.arange(hit), np.arange(hit) % 2 == 0, np.linspace(0.2, 0.3, hit)))


def test_power_rises_with_the_share_and_is_the_error_without_copies():
    copies = {"exact copies": [(np.zeros(8), np.zeros(8))]}
    table = power([space(hit=6)], (200, 100), copies, rng=np.random.default_rng(0), shares=(0.0, 0.01, 0.03, 0.1))
    assert table["power"].iloc[0] <= 0.05 and table["power"].is_monotonic_increasing and table["power"].iloc[-1] == 1
    assert ((table["low"] <= table["power"]) & (table["power"] <= table["high"])).all()


def test_announced_power_is_that_of_the_rule_on_new_data():
    """2.5 % exact copies in 16 dimensions: 40 measurements beside 200 simulations; 4 standard errors are .35."""
    base = BASES["gaussian, 16 dimensions"]
    null = table_of(base(np.random.default_rng([9, 0])))
    copies = {"exact copies": [(np.zeros(8), np.zeros(8))]}
    announced = power(spaces_of(null), null.attrs["pool"], copies, rng=np.random.default_rng(0), shares=(0.025,))
    found = np.mean([verdict(table_of(planted(base, "exact copies", 0.025)(np.random.default_rng([9, 1, k])))).answer
                     == "copies found" for k in range(40)])
    assert announced["power"].iloc[0] == pytest.approx(found, abs=0.35)


def test_exact_copies_that_tie_have_the_power_of_their_number():
    """Four tied copies of examples of two equal halves have p = 1/16 at least: never found by labels alone."""
    near = Space("pixels", 1 / 3, np.full(100, 0.9), np.arange(100), np.full(100, 0.9), np.arange(100), hits=NO_HITS)
    with_copies = [dataclasses.replace(near, hits=Hits(np.arange(k), np.ones(k, bool), np.zeros(k))) for k in (3, 4, 7)]
    assert [_times_found([[one]], (500, 500), np.random.default_rng(0)) for one in with_copies] == [0, 0, 1]


NO_HITS = Hits(np.empty(0, int), np.empty(0, bool), np.empty(0))


def blurred_pictures(n, rng):
    """Return n smooth pictures of three colours, 24 x 24, uint8."""
    coarse = torch.from_numpy(rng.normal(size=(n, 3, 6, 6)))
    smooth = torch.nn.functional.interpolate(coarse, size=24, mode="bicubic")
    return ((smooth * 50 + 128).clamp(0, 255)).round().to(torch.uint8).numpy()


def as_jpeg(pictures, quality=80):
    """Return pictures after a trip through JPEG."""
    found = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
        found.append(np.asarray(Image.open(file)).transpose(2, 0, 1))
    return np.stack(found)


@pytest.mark.parametrize("leaked", [0, 40])
@pytest.mark.parametrize("through", [np.array, as_jpeg])
def test_a_tenth_of_copies_among_200_pictures_is_found(through, leaked):
    """Exact ones and re-encoded ones, also where a fifth of the held-out pictures are training pictures."""
    rng = np.random.default_rng(4)
    pictures = blurred_pictures(900, rng)
    train, held_out, samples = pictures[:500], pictures[500:700].copy(), pictures[700:].copy()
    samples[:20], held_out[:leaked] = through(train[:20]), train[100 : 100 + leaked]
    train, held_out = (fmdiag.load_dataset(rows) for rows in (train, held_out))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        result = fmdiag.Run(train=train, held_out=held_out).memorization(
            samples=samples.astype(np.float32) / 127.5 - 1, n_steps=2)
    assert result.verdict.answer == "copies found"
    assert result.verdict.text.startswith("Copies found: 10.0% [6.2%, 15.0%] of 200 samples")
    assert f"of {200 - leaked} held-out examples" in result.verdict.text


def test_where_nothing_is_judged_no_p_value_is_shown():
    """All samples one image, and a feature space whose positive control fails: neither has a p-value anywhere."""
    digits = fmdiag.load_dataset("digits")
    samples = np.repeat(digits.held_out[:1].numpy(), 9, 0)
    result = fmdiag.Run(train="digits").memorization(samples=samples, n_steps=2)
    assert result.verdict.answer == "not judged" and result.verdict.p is None and "power" not in result.tables
    assert not set(result.summary["quantity"]) & {"p_value", "p_labels", "p_excess"}
    table = table_of(case_of("exact copies", 0.1, "digits"))
    control = table.iloc[:3].assign(source="closed_form", memorized=False)
    broken = pd.concat([table, control])
    assert verdict(broken).answer == "undecided"
    assert not set(summarise(broken)["quantity"]) & {"p_value", "p_labels", "p_excess"}
    both = pd.concat([broken, table.assign(feature="other")])
    found = verdict(both)
    assert found.answer == "copies found" and "No verdict in pixels, positive control failed" in found.text
    shown = summarise(both)
    assert shown.loc[shown["quantity"] == "p_excess", "feature"].tolist() == ["other"]
    assert shown.loc[shown["quantity"] == "p_value", "value"].iloc[0] == found.p
