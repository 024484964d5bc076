"""Samplers of one or a few steps in a run: what applies is measured on their samples, the rest is refused in one line.

û*'s own map, as a callable of the noise, is the sampler that memorises: it ends on training examples, at distance 0
from where û* carries the same noise.
"""

import numpy as np
import pytest
import torch
from exact_map import flow_map

import fmdiag
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.hybrid.measure import sample_hybrids
from fmdiag.diagnostics.uturn.ways_back import ends
from fmdiag.errors import FmdiagError
from fmdiag.fields import GivenSampler, beside
from fmdiag.paths import LinearPath
from fmdiag.sampling import closed_form_samples, draw_noise

pytestmark = pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")


def run_of(sampler, digits, held_out, **options):
    return fmdiag.Run(sampler=sampler, train=digits, held_out=held_out, device="cpu", **options)


@pytest.fixture
def copier(digits):
    u_star = fmdiag.ClosedFormField(digits)
    return lambda x0, labels=None: closed_form_samples(u_star, x0, 100)


def test_the_map_of_the_closed_form_is_at_distance_zero_from_it(copier, digits, held_out):
    """Also with fewer steps asked for: what a sampler is compared with takes 100 at least."""
    run = run_of(copier, digits, held_out)
    assert repr(run).startswith("<Run of a sampler on digits")
    for n_steps in (100, 4):
        found = run.hybrid(n_samples=8, n_steps=n_steps)
        assert sorted(set(found.table["tau"])) == [0.0, 1.0]
        apart = found.summary.query("quantity == 'pfd'").set_index("maps")["value"]
        assert apart["closed_form"] < 1e-5 and apart["other_noise"] > 1
        assert found.parameters.get("n_steps_of_fields") == (100 if n_steps == 4 else None)
    assert run.memorization(n_samples=16).table.query("source == 'model'")["memorized"].all()


def test_samples_start_from_the_noise_of_the_run(digits, held_out):
    """The identity returns the run's own initial noise, in whatever batches."""
    seen = []
    run = run_of(lambda x0: seen.append(len(x0)) or x0, digits, held_out, seed=3)
    noise = draw_noise(300, digits.shape, generator=torch.Generator().manual_seed(3))
    assert torch.equal(run.samples(300, 4), noise) and sum(seen) == 300


def test_what_applies_to_a_sampler_of_noise(copier, digits, held_out):
    run = run_of(copier, digits, held_out)
    applying = {name for name, card in DIAGNOSTICS.items() if run.lacks(card) is None}
    assert applying >= {"memorization", "metrics", "quality", "canaries", "hybrid", "agreement", "alignment"}
    assert not applying & {"error", "provenance", "membership", "theories", "gradient-variance", "uturn", "symmetry",
                           "geometry"}
    with pytest.raises(FmdiagError, match="error needs a velocity field, which a sampler of a few steps has not: what "
                       "applies is audit, agreement, canaries, hybrid, memorization, metrics, patches, quality"):
        run.error()
    with pytest.raises(FmdiagError, match="uturn needs states at any time, and this sampler takes noise only"):
        run.uturn()
    with pytest.raises(FmdiagError, match=r"noise only, and was to start at t = 0.5: .*\(of hybrid, taus 0 and 1\)"):
        run.hybrid(taus=(0.0, 0.5), n_samples=4)


@pytest.mark.parametrize("sampler, words", [
    (lambda x0: x0[:2], "the sampler <lambda> returned shape .* one end point per sample is needed"),
    (lambda x0: None, "the sampler <lambda> returned None: is its return missing"),
    (lambda x0, t: x0, "the sampler <lambda> raised TypeError: .* it was called as sample.x0. with x0 of shape"),
    (torch.randn(3), "sampler: a Tensor is no callable")])
def test_what_is_no_sampler(sampler, words, digits, held_out):
    with pytest.raises(FmdiagError, match=words) as caught:
        run_of(sampler, digits, held_out).samples(4)
    assert "\n" not in str(caught.value)


def test_not_beside_a_field(digits):
    with pytest.raises(FmdiagError, match="give field= or sampler=, not both"):
        fmdiag.Run(field=lambda x, t: x, sampler=lambda x0: x0, train=digits)


def test_a_network_is_asked_in_evaluation_mode_and_put_back(digits, held_out):
    net = torch.nn.Dropout(0.5)
    x0 = torch.ones(4, *digits.shape)
    assert torch.equal(GivenSampler(net).draw(x0), x0) and net.training
    rows = fmdiag.load_dataset(np.zeros((4, 1, 8, 8), np.float32), held_out=None)
    assert rows.condition is None
    labels = GivenSampler(lambda x0, labels: x0 * labels[:, None, None, None]).of_class(3)
    assert torch.equal(labels.draw(x0), 3 * x0)


def test_two_callables_are_two_runs(digits, held_out):
    keys = {run_of(lambda x0, c=c: c * x0, digits, held_out).key for c in (1, 2, 1)}
    assert len(keys) == 2


@pytest.mark.parametrize("n_steps", [1, 2, 4])
def test_a_flow_map_goes_on_from_any_time(n_steps, digits):
    """Of the distribution N(0, S^2) the map from x_t is S / g(t) x_t: U-turns and hybrids end there, in any steps."""
    sampler, expected = flow_map(n_steps)
    x0, x1 = (torch.randn(3, *digits.shape, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    found, lost = ends(sampler, LinearPath(), x0, x1, [0.2, 0.7], n_steps=10, method="euler", training_set=digits)
    assert lost.isnan().all()
    for k, t in enumerate((0.2, 0.7)):
        torch.testing.assert_close(found[:, k], expected(LinearPath().sample(x0, x1, t), t), rtol=1e-5, atol=1e-5)
    hybrids = sample_hybrids(sampler, digits, taus=[0.0, 0.4], n_samples=3, n_steps=2,
                             generator=torch.Generator().manual_seed(0))
    noise = draw_noise(3, digits.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(hybrids[0.0], expected(noise, 0.0), rtol=1e-5, atol=1e-5)
    state = fmdiag.sampling.closed_form_states(fmdiag.ClosedFormField(digits), noise,
                                               [k / 100 for k in range(101)], [0.4])[0.4]
    torch.testing.assert_close(hybrids[0.4], expected(state.float(), 0.4), rtol=1e-4, atol=1e-4)


def test_steps_beside_a_sampler():
    sampler, _ = flow_map(4)
    (limited, other), n_steps = beside(2, sampler, "field")
    assert (limited.most_steps, other, n_steps, sampler.most_steps) == (2, "field", 100, 4)
    assert beside(2, "one", "two") == (("one", "two"), 2)
