"""Whatever is handed over as a field answers as the plain one, or ends in one line; nothing of the caller's changes."""

import copy
import pickle
import warnings

import pandas as pd
import pytest
import torch
from odd_fields import DIM, GLOBAL, Net, Plain, bad_fields, good_fields, plain, training_fields

import fmdiag
from fmdiag.diagnostics.agreement import measure as agreement
from fmdiag.diagnostics.gradient_variance.measure import measure as gradient_variance
from fmdiag.diagnostics.membership import energy
from fmdiag.diagnostics.membership import excess_alignment as excess
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import AskedField, HybridField, NetworkField, as_field, held_modules
from fmdiag.sampling import METHODS, sample, trajectory

TRAIN = fmdiag.TrainingSet(torch.randn(12, DIM, generator=torch.Generator().manual_seed(5)).numpy())
HELD_OUT = torch.randn(9, DIM, generator=torch.Generator().manual_seed(6))
X0 = torch.randn(5, DIM, generator=torch.Generator().manual_seed(7))
U_STAR = fmdiag.ClosedFormField(TRAIN)


def seeded():
    return torch.Generator().manual_seed(0)


FUNCTIONS = {
    "sample euler": lambda v: sample(v, X0, 4),
    "sample heun2": lambda v: sample(v, X0, 4, "heun2"),
    "sample rk4": lambda v: sample(v, X0, 4, "rk4"),
    "sample midpoint": lambda v: sample(v, X0, 4, "midpoint"),
    "sample dopri5": lambda v: sample(v, X0, 4, "dopri5"),
    "trajectory": lambda v: torch.stack(trajectory(v, X0, 3)[1]),
    "hybrid field": lambda v: HybridField(U_STAR, v, 0.4)(X0, torch.tensor([0.1, 0.3, 0.4, 0.5, 0.9])),
    "hybrid field sampled": lambda v: sample(HybridField(U_STAR, v, 0.4), X0, 4),
    "asked": lambda v: as_field(v)(X0, 0.5),
    "approximation_error": lambda v: fmdiag.approximation_error(v, TRAIN, times=[0.0, 0.7], n_pairs=4,
                                                                generator=seeded()),
    "hybrid": lambda v: fmdiag.hybrid(v, TRAIN, taus=[0.0, 0.5], n_samples=4, n_steps=4, generator=seeded()),
    "membership": lambda v: fmdiag.membership(v, TRAIN, held_out=HELD_OUT, times=[0.5], n_images=8, n_noises=2,
                                              generator=seeded()),
    "excess": lambda v: excess.measure(v, TRAIN, held_out=HELD_OUT, times=[0.5], n_images=8, n_noises=2,
                                       generator=seeded()),
    "energy": lambda v: energy.measure(v, TRAIN, n_samples=4, n_steps=4, generator=seeded()),
    "provenance": lambda v: fmdiag.provenance(v, TRAIN, samples=2, times=[0.0, 0.5], n_steps=4, generator=seeded()),
    "theories": lambda v: fmdiag.theories(v, TRAIN, times=[0.5], n_pairs=4, n_steps=4, theories=["wiener"],
                                          generator=seeded()),
    "agreement": lambda v: agreement.measure((v, plain), (TRAIN, TRAIN), n_samples=4, n_steps=4, generator=seeded()),
}
EXPECTED = {name: function(plain) for name, function in FUNCTIONS.items()}


def assert_equal(found, expected):
    if isinstance(found, pd.DataFrame):
        return pd.testing.assert_frame_equal(found, expected, rtol=2e-4, atol=1e-4)
    assert found.dtype == expected.dtype and not found.requires_grad
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", good_fields())
def test_fault_2_25_2_26_2_30_any_field_answers_as_the_plain_one(name, function):
    before, x0 = torch.get_rng_state(), X0.clone()
    assert_equal(FUNCTIONS[function](good_fields()[name]), EXPECTED[function])
    assert torch.equal(X0, x0) and torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", training_fields())
def test_fault_2_26_networks_are_asked_in_evaluation_mode_and_put_back(name, function):
    field, net = training_fields()[name]
    state = copy.deepcopy(net.state_dict())
    before = torch.get_rng_state()
    with pytest.warns(FmdiagWarning, match="in training mode: it is asked in evaluation mode") as said:
        assert_equal(FUNCTIONS[function](field), EXPECTED[function])
    assert len(said) == 1 and all(module.training for module in net.modules())
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", bad_fields())
def test_fault_2_30_other_fields_are_refused_in_one_line(name, function):
    field, words = bad_fields()[name]
    with pytest.raises(FmdiagError, match=words) as found:
        FUNCTIONS[function](field)
    assert "\n" not in str(found.value) and len(str(found.value)) < 600
    assert found.value.__cause__ is not found.value


def test_a_network_is_put_back_where_it_fails():
    net = Net(training=True)
    net.dropout.eval()
    with pytest.raises(FmdiagError, match="raised RuntimeError"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        sample(net, torch.zeros(2, DIM + 1))
    assert net.training and net.linear.training and not net.dropout.training


def test_nothing_is_said_where_the_mode_does_not_matter():
    net = Plain().train()
    assert_equal(sample(net, X0, 4), EXPECTED["sample euler"])
    assert net.training


def test_a_network_field_leaves_its_module_in_its_mode():
    net = Net(training=True)
    field = NetworkField(net, [DIM])
    assert_equal(sample(field, X0, 4), EXPECTED["sample euler"])
    assert net.training and all(module.training for module in net.modules())


def test_gradients_are_those_of_the_network_in_evaluation_mode():
    """Dropout off, batch norm untouched, arguments its own, outputs read as elsewhere; the flags are put back."""
    class Odd(Net):
        def forward(self, x, t):
            found = super().forward(x, t)
            return (found if torch._C._functorch.is_batchedtensor(x) else found.clone(), None)

    def table(net, method):
        return gradient_variance(net, TRAIN, times=[0.2, 0.8], n_samples=4, method=method, generator=seeded())

    expected = table(Net(), "loop")
    for method in ("auto", "loop"):
        net = Odd(training=True)
        assert_equal(table(net, method), expected)
        assert all(module.training for module in net.modules())


def test_wrapping_is_idempotent_and_transparent():
    asked = as_field(plain)
    assert isinstance(asked, AskedField) and as_field(asked) is asked
    for ours in (U_STAR, NetworkField(Plain()), HybridField(U_STAR, plain, 0.5), fmdiag.load_checkpoint(
            "data/digits.pt").field):
        assert as_field(ours) is ours
    net = Plain()
    net.reachable = (0.1, 0.9)
    assert as_field(net).reachable == (0.1, 0.9)
    assert not hasattr(asked, "posterior")
    again = pickle.loads(pickle.dumps(as_field(net)))
    assert torch.equal(again(X0, 0.5), asked(X0, 0.5)) and torch.equal(copy.deepcopy(asked)(X0, 0.5), asked(X0, 0.5))


def test_values_that_are_not_finite_come_back_as_they_are():
    field = as_field(lambda x, t: torch.where(x > 0, torch.nan, torch.inf))
    assert bool((~field(X0, 0.5).isfinite()).all())
    with pytest.raises(FmdiagError, match="not finite at t = 0.5"):
        fmdiag.approximation_error(field, TRAIN, times=[0.5], n_pairs=4, generator=seeded())


def test_a_field_in_float64_is_asked_in_float64():
    x0 = X0.double()
    for name in ("one buffer", "float64", "float64 module", "sparse"):
        found = sample(good_fields()[name], x0, 4)
        assert found.dtype == torch.float64
        torch.testing.assert_close(found, sample(plain, x0, 4), rtol=1e-6, atol=1e-6)


def test_half_precision_noise_is_carried_in_single():
    for dtype in (torch.bfloat16, torch.float16):
        found = sample(plain, X0.to(dtype), 100)
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), sample(plain, X0.to(dtype).float(), 100), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_a_field_may_be_asked_many_times_at_once(method):
    """The result of a batch is that of its parts: nothing is shared between calls."""
    field = good_fields()["one buffer"]
    whole = sample(field, X0, 5, method)
    parts = torch.cat([sample(field, X0[:2], 5, method), sample(field, X0[2:], 5, method)])
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-4)


def test_modules_are_found_once_and_the_search_ends():
    net = Net()
    loop = {"net": net}
    loop["self"] = loop
    assert len(held_modules(lambda x, t: loop["net"](x, t) + net(x, t))) == len(list(net.modules()))
    assert held_modules(plain) == [] and GLOBAL in held_modules(lambda x, t: GLOBAL(x, t))


def test_a_checkpoint_is_no_field_but_says_where_it_is():
    with pytest.raises(FmdiagError, match="give its .field"):
        sample(fmdiag.load_checkpoint("data/digits.pt"), torch.zeros(1, 1, 8, 8))
