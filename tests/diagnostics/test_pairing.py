"""The pairing test: the exact minimiser over pairs, what it memorises and what noise makes it forget, and MMD."""

import numpy as np
import pytest
import torch

import fmdiag
from fmdiag.diagnostics.gradient_variance.couplings import load_pairs
from fmdiag.diagnostics.pairing import measure as pairing
from fmdiag.diagnostics.pairing import mmd
from fmdiag.errors import FmdiagError
from fmdiag.fields import FixedPairsField, NetworkField
from fmdiag.sampling import sample
from fmdiag.training.interpolants import Interpolant
from fmdiag.training.pairs import train_pairs


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def ends_of(pairs, sigmas, n_steps=51):
    return {("closed_form", s): sample(FixedPairsField(pairs.x0, pairs.x1, s), pairs.x0, n_steps) for s in sigmas}


@pytest.mark.parametrize("pairs", [
    pairing.crossing_pairs(200, 2, generator=generator()), pairing.crossing_pairs(50, 20, generator=generator()),
    pairing.permuted_pairs(fmdiag.load_dataset("mixture-3"), 200, generator=generator())],
    ids=["half turn, d = 2", "half turn, d = 20", "permuted mixture"])
def test_p2_a_field_of_zero_loss_returns_every_training_partner(pairs):
    """Even where all lines cross: 51 Euler steps start none at t = 1/2."""
    table = pairing.measure(ends_of(pairs, [0.0]), pairs)
    assert table["to_memorised"].max() < 1e-4
    loss = FixedPairsField(pairs.x0, pairs.x1)(0.7 * pairs.x0 + 0.3 * pairs.x1, 0.3) - (pairs.x1 - pairs.x0)
    assert loss.abs().max() < 1e-6


def test_p3_noise_makes_the_crossing_map_land_at_the_transport_partner():
    pairs = pairing.crossing_pairs(400, 2, generator=generator())
    summary = pairing.summarise(pairing.measure(ends_of(pairs, [0.0, 0.05]), pairs)).set_index(["quantity", "sigma"])
    assert summary.loc[("to_memorised", 0.0), "high"] < summary.loc[("to_ot", 0.0), "low"]
    assert summary.loc[("to_ot", 0.05), "high"] < summary.loc[("to_memorised", 0.05), "low"]
    assert summary.loc[("nearer_memorised", 0.0), "value"] == 1
    assert summary.loc[("nearer_memorised", 0.05), "high"] < 0.2


def test_a_trained_network_memorises_few_pairs_and_forgets_them_with_noise():
    """Noise of the size of the data leaves nothing of the pairing in the middle."""
    pairs = pairing.permuted_pairs(fmdiag.load_dataset("gaussian-2-300"), 6, generator=generator())
    spec, fields = {"name": "mlp", "shape": [2], "width": 32, "depth": 1}, {}
    for sigma in (0.0, 2.0):
        state = train_pairs(pairs.x0, pairs.x1, spec, interpolant=Interpolant(sigma), steps=400, batch_size=64, lr=1e-2,
                            warmup=20, ema_decay=0.9)
        fields[sigma] = NetworkField(state.module, [2])
    table = pairing.measure(pairing.integrate_noises(fields, pairs, closed_form=False, n_steps=21), pairs)
    mean = table.groupby("sigma")["to_memorised"].mean()
    assert mean[0.0] < 0.3 * table["between"].mean() < mean[2.0]


@pytest.mark.parametrize(("noise", "t"), [("constant", 0.4), ("bridge", 0.7)])
def test_the_minimiser_is_the_conditional_expectation(noise, t):
    """By the definition: densities of x_t around each line, and E[target | x_t, pair] from z = (x_t - line) / gamma."""
    rng = np.random.default_rng(0)
    x0, x1, x, sigma = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), rng.normal(size=2), 0.6
    gamma = sigma * (np.sqrt(t * (1 - t)) if noise == "bridge" else 1)
    slope = sigma * (1 - 2 * t) / (2 * np.sqrt(t * (1 - t))) if noise == "bridge" else 0.0
    lines = (1 - t) * x0 + t * x1
    density = np.exp(-np.square(x - lines).sum(1) / (2 * gamma**2))
    targets = x1 - x0 + slope * (x - lines) / gamma
    expected = (density[:, None] * targets).sum(0) / density.sum()
    field = FixedPairsField(torch.from_numpy(x0), torch.from_numpy(x1), sigma, noise)
    assert np.allclose(field(torch.from_numpy(x)[None], t)[0].numpy(), expected, rtol=1e-10)


def test_permuted_pairs_leave_no_target_in_place():
    train = fmdiag.load_dataset("digits")
    pairs = pairing.permuted_pairs(train, 50, generator=generator())
    assert sorted(map(bytes, pairs.x1.numpy())) == sorted(map(bytes, pairs.ot.numpy()))
    assert (pairs.x1 - pairs.ot).flatten(1).abs().sum(1).min() > 0
    with pytest.raises(FmdiagError, match="n_pairs must be 2 to 1500"):
        pairing.permuted_pairs(train, 1501, generator=generator())


def test_transport_of_the_half_turn_is_the_shift_in_one_dimension():
    """On a line optimal transport keeps the order."""
    pairs = pairing.crossing_pairs(30, 1, generator=generator())
    assert torch.equal(pairs.x0.flatten().argsort(), pairs.ot.flatten().argsort())


def test_mmd_by_definition_and_its_jackknife():
    x, y = (torch.randn(6, 2, generator=generator(k)).double() + k for k in (0, 1))
    value, low, high = mmd.mmd_unpaired(x, y, 1.5)
    kernel = lambda a, b: np.mean([np.exp(-np.square(p - q).sum() / 4.5) for p in a.numpy() for q in b.numpy()])  # noqa: E731
    assert value == pytest.approx(kernel(x, x) + kernel(y, y) - 2 * kernel(x, y), rel=1e-10)
    assert low <= value <= high
    left = [mmd.mmd_paired(torch.cat([x[:i], x[i + 1 :]]), torch.cat([y[:i], y[i + 1 :]]), 1.5)[0] for i in range(6)]
    value, low, high = mmd.mmd_paired(x, y, 1.5)
    error = np.sqrt(5 / 6 * np.square(np.array(left) - np.mean(left)).sum())
    assert high - value == pytest.approx(2.570581836 * error, rel=1e-8)
    assert mmd.mmd_paired(x, x)[0] == pytest.approx(0, abs=1e-15)


def test_discrepancies_tell_the_memorised_pairs_from_those_of_transport():
    train = fmdiag.load_dataset("mixture-3")
    pairs = pairing.permuted_pairs(train, 300, generator=generator())
    ends = {("network", 0.0): pairs.x1, ("network", 0.05): pairs.ot}
    rows = pairing.discrepancies(ends, pairs, train.held_out[:500]).set_index(["quantity", "sigma"])["value"]
    assert rows["mmd_pairs", 0.0] == pytest.approx(0, abs=1e-12) and rows["mmd_ot", 0.05] == pytest.approx(0, abs=1e-12)
    assert rows["mmd_pairs", 0.05] > 1e-3 and rows["mmd_ot", 0.0] > 1e-3
    # The ends are the same rows in another order: their law is that of the targets.
    assert rows["mmd_law", 0.0] == pytest.approx(rows["mmd_law", 0.05], rel=1e-9)


def save(file, **arrays):
    np.savez(file, **arrays)
    return file


@pytest.mark.parametrize(("arrays", "words"), [
    ({"x0": np.zeros((3, 2))}, "no array x1"), ({"x0": np.zeros((3, 2)), "x1": np.zeros((4, 2))}, "one shape"),
    ({"x0": np.zeros((3, 2)), "x1": np.full((3, 2), np.nan)}, "x1 holds NaN or infinity in row 0"),
    ({"x0": np.zeros((3, 2)), "x1": np.array([["a", "b"]] * 3)}, "instead of numbers"),
    ({"x0": np.zeros((3, 5)), "x1": np.zeros((3, 5))}, "the model takes")])
def test_bad_pairs_are_refused(tmp_path, arrays, words):
    with pytest.raises(FmdiagError, match=words):
        load_pairs(save(tmp_path / "pairs.npz", **arrays), (2,))


def test_files_that_are_no_pairs(tmp_path):
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(FmdiagError, match="not a .npz file"):
        load_pairs(tmp_path / "text.npz")
    with pytest.raises(FmdiagError, match="no such .npz file"):
        load_pairs(tmp_path / "missing.npz")


@pytest.mark.parametrize(("ends", "words"), [
    ("memorised", "lie nearer the memorised partner"), ("ot", "lie nearer the optimal transport partner"),
    ("between", "no verdict: the network's ends lie as near to either partner")])
def test_fault_2_10_the_verdict_names_the_nearer_partner_and_none_on_a_tie(ends, words):
    pairs = pairing.permuted_pairs(fmdiag.load_dataset("mixture-3"), 40, generator=generator())
    x = {"memorised": pairs.x1, "ot": pairs.ot, "between": (pairs.x1 + pairs.ot) / 2}[ends]
    summary = pairing.summarise(pairing.measure({("network", 0.0): x + 1e-3}, pairs))
    assert words in pairing.verdict(summary)


def test_fault_2_10_partners_that_are_the_same_give_no_verdict():
    pairs = pairing.permuted_pairs(fmdiag.load_dataset("mixture-3"), 40, generator=generator())
    same = pairing.FixedPairs(pairs.x0, pairs.ot, pairs.ot, "reflow")
    summary = pairing.summarise(pairing.measure({("network", 0.0): pairs.x0}, same))
    assert "no verdict: every pair's memorised partner is its optimal transport partner" in pairing.verdict(summary)
