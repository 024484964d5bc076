"""Published attacks: formulas by brute force, û* found out where that is derived, and blind baselines not passed."""

import zlib

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import features

import fmdiag
from checks.calibration.membership import ATTACK_CASES, ATTACK_FAMILIES
from fmdiag import ClosedFormField, TrainingSet
from fmdiag.diagnostics.membership import measure as members
from fmdiag.diagnostics.membership.attacks import ATTACKS, chosen_attacks
from fmdiag.diagnostics.membership.attacks import measure as attacks
from fmdiag.diagnostics.membership.attacks.asked import Asked, schedules
from fmdiag.diagnostics.membership.attacks.blind import classifier_scores
from fmdiag.diagnostics.membership.attacks.complexity import codec_of, compressed_sizes
from fmdiag.diagnostics.membership.attacks.residual import noised_errors
from fmdiag.diagnostics.membership.attacks.stepwise import grid
from fmdiag.diagnostics.membership.attacks.summary import best_threshold, left_out, summarise
from fmdiag.errors import FmdiagError
from fmdiag.paths import CosinePath, LinearPath
from fmdiag.stats import auc

DIGITS = fmdiag.load_dataset("digits", n=60)
TIMES = (0.2, 0.5, 0.9)


def two_layers(dim=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(size, generator=g, dtype=torch.float64) for size in ((16, dim + 1), (dim, 16)))
    return lambda x, t: torch.tanh(torch.cat([x, torch.full_like(x[:, :1], t)], 1) @ first.T) @ second.T


def pair(path, velocity, x, t):
    """Return image and noise of one state by solving the two equations of x and of v, coordinate by coordinate."""
    alpha, sigma, d_alpha, d_sigma = schedules(path, t)
    both = np.stack([x.numpy(), velocity(x[None], t)[0].numpy()])
    return np.linalg.solve([[alpha, sigma], [d_alpha, d_sigma]], both)


@pytest.mark.parametrize("path", [LinearPath(), CosinePath()], ids=["linear", "cosine"])
def test_formulas_by_brute_force(path):
    velocity, images = two_layers(), torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    asked = Asked(velocity, path, images, TIMES, 0.99)
    found = {name: ATTACKS[name](asked) for name in ("pia", "pian", "secmi", "sima")}
    points = grid(TIMES, 0.99)
    for k, x in enumerate(images):
        e0 = pair(path, velocity, x, 0.99)[1]
        scaled = e0 * np.sqrt(2 / np.pi) / np.abs(e0).mean()
        state, errors = x, {}
        for t, s in zip(points, points[1:], strict=False):
            ahead = torch.tensor(schedules(path, s)[:2] @ pair(path, velocity, state, t))
            errors[t] = -np.mean((schedules(path, t)[:2] @ pair(path, velocity, ahead, s) - state.numpy()) ** 2)
            state = ahead
        for j, t in enumerate(TIMES):
            alpha, sigma = schedules(path, t)[:2]
            for name, e in (("pia", e0), ("pian", scaled)):
                again = pair(path, velocity, torch.tensor(alpha * x.numpy() + sigma * e), t)[1]
                assert found[name][k, j] == pytest.approx(-np.mean((e - again) ** 4), rel=1e-10)
            assert found["secmi"][k, j] == pytest.approx(errors[t], rel=1e-9)
            norm = np.sqrt((pair(path, velocity, x, t)[1] ** 2).sum()) / sigma
            assert found["sima"][k, j] == pytest.approx(-norm, rel=1e-10)


def test_losses_by_brute_force():
    path, velocity, g = CosinePath(), two_layers(), torch.Generator().manual_seed(2)
    images, noise = (torch.randn(*size, 3, generator=g, dtype=torch.float64) for size in ((4,), (4, 5)))
    alpha, sigma, d_alpha, d_sigma = schedules(path, 0.4)
    asked = torch.stack([velocity(alpha * images + sigma * noise[:, m], 0.4) for m in range(5)], 1)
    first, mean = noised_errors(path, images, noise, 0.4, asked)
    for k in range(4):
        one = velocity((alpha * images[k] + sigma * noise[k, 0])[None], 0.4)[0]
        target = d_alpha * images[k] + d_sigma * noise[k, 0]
        assert first[k] == pytest.approx(float(((one - target) ** 2).mean()), rel=1e-10)
        rest = sum(velocity((alpha * images[k] + sigma * e)[None], 0.4)[0] for e in noise[k]) / 5
        assert mean[k] == pytest.approx(float(((d_alpha * images[k] - rest) ** 2).mean()), rel=1e-10)


def test_the_score_of_sima_is_the_gradient_of_the_log_density():
    """Of data N(0, 1), p_t is N(0, alpha² + sigma²)."""
    def velocity(x, t):
        return x * (2 * t - 1) / ((1 - t) ** 2 + t**2)

    x = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    for t in TIMES:
        log_density = -x.square().sum() / (2 * (t**2 + (1 - t) ** 2))
        gradient = torch.autograd.grad(log_density, x)[0]
        found = ATTACKS["sima"](Asked(velocity, LinearPath(), x.detach(), (t,)))[:, 0]
        assert torch.allclose(found, -gradient.norm(dim=1), rtol=1e-10)


def attacked(field, train, names=tuple(name for name in ATTACKS if name != "reference"), n_images=256, **further):
    options = {"n_images": n_images, "n_noises": 3}
    table = members.measure(field, train, times=[0.3, 0.5, 0.95], **options, generator=torch.Generator().manual_seed(0))
    drawn = members.draw(train, **options, generator=torch.Generator().manual_seed(0))
    return attacks.measure(field, train, drawn, table, names, **further)


def test_the_minimiser_is_found_out_where_that_is_derived():
    """At t = .95 û* is (X_i - x) / (1 - t) near X_i: D is constant, and steps are exact; early neither is so."""
    summary = summarise(attacked(ClosedFormField(DIGITS), DIGITS))
    late = summary[(summary["quantity"] == "attack_auc") & (summary["t"] == 0.95)].set_index("attack")["value"]
    assert (late[["naive", "mc", "secmi"]] == 1).all()
    early = summary[(summary["quantity"] == "attack_auc") & (summary["t"] == 0.3)].set_index("attack")["value"]
    assert early["secmi"] < 0.9 and early["sima"] < 1
    best = summary[summary["quantity"] == "best_auc"].set_index("attack")
    assert best.loc["mc", "t"] == 0.95 and best.loc["mc", "value"] == 1
    # 30 pairs report: 2^-30 is below what 20000 exchanges resolve.
    p = summary[summary["quantity"] == "attack_p"].iloc[0]
    assert p["value"] == pytest.approx(1 / 20001) and p["attack"] == "naive" and p["t"] == 0.95


def test_a_shift_that_is_seen_without_the_model_is_no_memorisation():
    """A field that knows nothing fits dark images better; held-out images are brighter, and the baseline sees it."""
    rng = np.random.default_rng(0)
    rows = [np.float32(rng.normal(shift, 0.3, (80, 6))) for shift in (0.0, 0.6)]
    train = TrainingSet(rows[0], held_out_source=TrainingSet(rows[1]))
    summary = summarise(attacked(lambda x, t: -x, train))
    known = summary[summary["quantity"] == "best_auc"].set_index("attack")["value"]
    assert known["mc"] > 0.8
    assert (summary.loc[summary["quantity"].isin(["above_blind_p", "attack_p"]), "value"] > 0.2).all()


def test_the_half_that_chooses_does_not_report():
    """The attack tells images apart at t = .2 in the first half of the pairs only, at t = .7 in the other."""
    m, rows = 40, []
    for t, good in ((0.2, slice(0, 20)), (0.7, slice(20, 40))):
        train, other = np.arange(m) % 7.0, np.arange(m) % 7.0
        train[good] += 100
        rows += [("mc", t, "train", train), ("mc", t, "heldout", other)]
    for name in ("blind-size", "blind-classifier"):
        rows += [(name, np.nan, kind, np.arange(m) % 5.0) for kind in ("train", "heldout")]
    table = pd.concat([pd.DataFrame({"attack": name, "t": t, "kind": kind, "image": np.arange(m), "score": score})
                       for name, t, kind, score in rows])
    best = summarise(table).set_index("quantity").loc[["best_auc", "best_balanced_accuracy", "attack_p"]]
    assert set(best["t"]) == {0.2} and best.loc["best_auc", "value"] == 0.5
    assert best.loc["best_balanced_accuracy", "value"] == 0.5 and best.loc["attack_p", "value"] > 0.4
    assert best_threshold(np.array([3.0, 2, 5, 4]), np.array([1.0, 2, 0])) == 3   # 3 of 4 and 3 of 3, not 4 and 2
    table.loc[(table["attack"] == "mc") & (table["t"] == 0.7), "score"] = np.nan
    assert left_out(table) == ["mc at t = 0.7"] and set(summarise(table)["t"].dropna()) == {0.2}


@pytest.mark.parametrize("name", ["Gaussian, d = 8", "grouped frames"])
def test_false_alarms_and_memorisation(name):
    """6 repetitions: P[3 or more false alarms] = .2 % at 5 % each. checks/calibration has more of them."""
    draws = [np.random.default_rng([12, k]) for k in range(6)]
    assert sum(ATTACK_FAMILIES[f"{name}, third-party û*"](rng) <= 0.05 for rng in draws) < 3
    assert ATTACK_CASES[f"{name}, û* of the training set"](np.random.default_rng(0)) <= 0.05


def test_compressed_sizes_count_what_is_the_pictures_own():
    noise = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pictures = TrainingSet(np.random.default_rng(0).integers(256, size=(4, 1, 8, 8), dtype=np.uint8))
    flat = torch.full((1, 1, 8, 8), -1.0)
    for codec in ("png", "webp", "zlib"):
        size = compressed_sizes(torch.cat([flat, noise]), pictures, codec)
        assert 1 <= size[0] < size[1:].min() and size.dtype == np.float64
    # PNG of one grey: a byte of filter and 8 of pixels per line, deflated, and nothing of the container.
    assert compressed_sizes(flat, pictures)[0] == len(zlib.compress(bytes(72), 9))
    vectors = TrainingSet(np.zeros((4, 5), np.float32))
    assert codec_of(vectors.shape) == "zlib" and codec_of(pictures.shape) == "png"
    assert compressed_sizes(torch.zeros(1, 5), vectors)[0] == len(zlib.compress(bytes(20), 9))


def test_codecs_that_are_missing_or_do_not_fit(monkeypatch):
    monkeypatch.setattr(features, "check", lambda name: name != "webp")
    with pytest.raises(FmdiagError, match="this Pillow was built without webp: give --codec zlib"):
        codec_of((1, 8, 8), "webp")
    with pytest.raises(FmdiagError, match=r"webp is for pictures of 1 or 3 channels, and rows have shape \(5,\)"):
        codec_of((5,), "webp")


def test_choice_of_attacks():
    assert chosen_attacks(()) == chosen_attacks("all") == tuple(name for name in ATTACKS if name != "reference")
    assert chosen_attacks("all", "other.pt") == tuple(ATTACKS) and chosen_attacks("none") == ()
    assert chosen_attacks(["sima", "pia"]) == ("pia", "sima")
    for names, reference, message in (("pio", None, "did you mean 'pia'"), (["none", "pia"], None, "none stands alone"),
                                      ("reference", None, "give --reference CKPT"),
                                      ("pia", "other.pt", "add --attacks reference, or leave --reference out")):
        with pytest.raises(FmdiagError, match=message):
            chosen_attacks(names, reference)


def test_the_difference_to_a_reference_that_knows_nothing_finds_the_minimiser():
    """û* of other rows has the loss of a stranger on all images, so that the difference is û*'s own knowledge."""
    other = ClosedFormField(fmdiag.load_dataset("digits", split="test"))
    scores = attacked(ClosedFormField(DIGITS), DIGITS, ("reference",), reference=other)
    summary = summarise(scores)
    assert summary.loc[(summary["quantity"] == "attack_auc") & (summary["t"] == 0.95), "value"].iloc[0] == 1
    same = attacked(other, DIGITS, ("reference",), reference=other)
    assert np.allclose(same.loc[same["attack"] == "reference", "score"], 0, atol=1e-12)


def test_the_blind_classifier_sees_a_shift_and_nothing_else():
    g = torch.Generator().manual_seed(0)
    train, same, moved = (torch.randn(100, 4, generator=g) + shift for shift in (0.0, 0.0, 2.0))
    assert auc(*classifier_scores(train, moved)) > 0.95
    # The standard error of an AUC of 1/2 is .041; folds that keep pairs together have no bias below it.
    assert abs(auc(*classifier_scores(train, same)) - 0.5) < 0.125
