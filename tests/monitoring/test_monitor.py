"""The monitor in training loops: bits, budget, kills, ranks of none, and whatever a look meets."""

import copy
import random
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.monitoring.budget import Budget
from fmdiag.monitoring.measures import look
from fmdiag.training import train


class Restless(torch.nn.Module):
    """A network with all that a look could disturb: dropout, running statistics, noise, a count and a switch."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.BatchNorm1d(32),
                                          torch.nn.Dropout(0.5), torch.nn.Linear(32, 64))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x, t):
        self.calls += 1
        torch.backends.cudnn.benchmark = not self.training
        noise = torch.rand(1) + float(np.random.rand()) + random.random()  # noqa: NPY002
        return self.layers(x).reshape(x.shape) + 1e-3 * noise.float() + 1e-4 * self.calls


@pytest.fixture(scope="module")
def digits():
    return fmdiag.load_dataset("digits", n=20)


def loop(digits, monitor, steps=10):
    """Train for a few steps with everything that is global; return the weights, the average and the last draws."""
    torch.manual_seed(0), np.random.seed(0), random.seed(0)  # noqa: NPY002
    network = Restless()
    ema = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for step in range(1, steps + 1):
        x1 = digits[torch.randint(20, (8,)).numpy()]
        t, x0 = torch.rand(8), torch.randn_like(x1)
        shown = t.reshape(-1, 1, 1, 1)
        loss = (network(shown * x1 + (1 - shown) * x0, t) - (x1 - x0)).square().mean()
        loss.backward()
        if step % 2 == 0:   # gradients are kept over a call of the monitor
            optimizer.step(), optimizer.zero_grad()
            with torch.no_grad():
                torch._foreach_lerp_(list(ema.parameters()), list(network.parameters()), 0.1)
        if monitor is not None:
            monitor(step, network, ema=ema if step == 10 else None)
    draws = torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002
    return {**network.state_dict(), **{f"ema {k}": v for k, v in ema.state_dict().items()}}, draws, network


def silent(digits, **options):
    return fmdiag.Monitor(digits, **{"every": 3, "budget": None, "n": 16, "n_steps": 3, "times": (0.3, 0.7)} | options)


def test_training_is_the_same_bits_with_and_without(digits):
    """Every weight, average, running statistic and generator; the loop keeps gradients over the calls."""
    monitor = silent(digits, every=5)
    with_it, draws, network = loop(digits, monitor)
    assert network.training and not torch.backends.cudnn.benchmark
    without, others, _ = loop(digits, None)
    assert sorted(set(monitor.table.step)) == [5, 10] and not monitor.errors
    for name, value in without.items():
        assert torch.equal(with_it[name], value), name
    assert torch.equal(draws[0], others[0]) and (draws[1] == others[1]).all() and draws[2] == others[2]
    monitor.close()


def test_fmdiag_train_gives_the_same_bits(digits):
    spec = {"name": "mlp", "shape": [1, 8, 8], "width": 16, "depth": 1}
    monitor = silent(digits, every=20, measures=["f_mem"])
    states = [train(digits, spec, steps=20, batch_size=8, precision="fp32", callback=callback) for callback in
              (lambda state: monitor(state.step, state.module, ema=state.ema), None)]
    for one, other in zip(*(({**s.module.state_dict()}, s.ema) for s in states), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert sorted(set(monitor.table.step)) == [20] and not monitor.errors


def test_averaged_weights_are_what_is_looked_at(digits):
    """A module, weights by name, and averages of libraries: the same numbers, none that of the network."""
    network, average = (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 64)) for _ in range(2))

    class Net(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x, t):
            return self.inner(x).reshape(x.shape)

    class EMAModel:                   # of diffusers, whose import takes ten seconds
        shadow_params = list(average.parameters())

    class LitEma(torch.nn.Module):    # of latent-diffusion: no network, but store, copy_to and restore
        def copy_to(self, model):
            model.load_state_dict(Net(average).state_dict())

    own = Net(network).state_dict()
    of_torch = torch.optim.swa_utils.AveragedModel(Net(average))
    found = [silent(digits, measures=["error"])(3, Net(network), ema=ema).value.tolist() for ema in (
        Net(average), Net(average).state_dict(), EMAModel(), LitEma(), of_torch, None)]
    assert all(one == found[0] for one in found[:-1]) and found[-1] != found[0]
    assert all(torch.equal(value, own[name]) for name, value in Net(network).state_dict().items())
    assert found[0] == silent(digits, measures=["error"])(3, torch.nn.DataParallel(Net(average))).value.tolist()
    monitor = silent(digits, measures=["error"])
    assert monitor(3, Net(network), ema={"other": torch.zeros(1)}) is None and "'other'" in monitor.errors[0]
    with pytest.warns(FmdiagWarning, match="'other', which is no weight"):
        monitor.close()


def test_a_killed_run_goes_on(digits, tmp_path):
    """Looks are found again by step and network; those of steps that come later wait until these are reached."""
    u_star, calls = fmdiag.ClosedFormField(digits), []

    def counted(x, t):
        calls.append(len(x))
        return u_star(x, t)

    def part(first, last):
        monitor = silent(digits, out=tmp_path, measures=["f_mem"])
        for step in range(first, last):
            monitor(step, counted)
        return monitor

    whole = part(1, 8)
    whole.close()
    made = len(calls)
    again = part(5, 8)     # killed after step 7, saved at 4
    assert len(calls) - made == 1, "the look at step 6 is found: one call tells the network"
    pd.testing.assert_frame_equal(again.table, whole.table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "tables/monitor.parquet"), whole.table)
    other = silent(digits, out=tmp_path, measures=["f_mem"])
    for step in range(1, 4):
        other(step, lambda x, t: -x)
    assert other.table.step.unique().tolist() == [3] and other.table.value[0] != whole.table.value[0]
    assert (tmp_path / "figures/monitor.png").read_bytes()[:4] == b"\x89PNG"


def test_its_onsets_are_those_of_a_watch_of_the_same_looks(tmp_path, save, monkeypatch):
    """Three looks, the last at û*, from within the loop and at checkpoints: every number of the tables is the same."""
    rows = fmdiag.load_dataset("digits", n=80)
    fields = {1: lambda x, t: -x, 2: lambda x, t: -2 * x, 3: fmdiag.ClosedFormField(rows)}
    monkeypatch.setattr("fmdiag.monitoring.looked.look",
                        lambda field, setting, *, step, **others: look(fields[step], setting, step=step, **others))
    sizes = {"n_samples": 80, "measures": ["gap", "f_mem"]}
    monitor = fmdiag.Monitor(rows, every=1, budget=None, n=16, **sizes)
    for step, field in fields.items():
        save(tmp_path / f"c-{step}.pt", step, n=80)
        monitor(step, field)
    watched = fmdiag.watch(tmp_path, n_pairs=16, device="cpu", **sizes)
    columns = [name for name in monitor.table if name != "seconds"]
    pd.testing.assert_frame_equal(monitor.table[columns], watched.table[columns], check_exact=True)
    found = monitor.onsets()
    expected = watched.summary[watched.summary["quantity"].isin(found["quantity"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected[list(found)], check_exact=True, check_dtype=False)
    assert found.set_index("quantity")["value"].to_dict() == {"tau_gap": 3, "tau_mem": 3, "tau_gen": 3}
    assert fmdiag.Monitor(rows, measures=["f_mem"]).onsets()["note"].tolist() == ["not tested"]    # before any look


def test_a_step_counts_once(digits):
    monitor = silent(digits, every=1, measures=["f_mem"])
    u_star = fmdiag.ClosedFormField(digits)
    with pytest.warns(FmdiagWarning, match="called twice for step 2: it counts once") as met:
        for step in (1, 2, 2, 2, 3, 3):
            monitor(step, u_star)
    assert len(met) == 1 and monitor.table[monitor.table.quantity == "f_mem"].step.tolist() == [1, 2, 3]
    with pytest.warns(FmdiagWarning, match="for step 1 after step 3"):
        assert monitor(1, u_star) is None


def test_training_goes_on_whatever_is_met(digits, tmp_path):
    """NaN weights, a broken measure and logger, another shape: kept, each once, shown at the end."""
    def broken(field, rows):
        raise RuntimeError("no luck")

    def deaf(values, step):
        raise OSError("no line")

    monitor = silent(digits, measures=["error", broken], log=deaf, out=tmp_path)
    monitor(3, lambda x, t: x * torch.nan), monitor(6, lambda x, t: x * torch.nan)
    monitor(9, torch.nn.Linear(3, 3)), monitor(12, "nothing"), monitor(15, lambda x, t: -x)
    texts = "\n".join(monitor.errors)
    for text in ("error at step 3: FmdiagError: the field returned values that are not finite",
                 "broken at step 3: RuntimeError: no luck", "logging: OSError: no line", "error at step 9",
                 "step 12: FmdiagError: field: a str is no velocity field"):
        assert text in texts
    assert texts.count("no luck") == 1 and monitor.table[monitor.table.step == 15].value.notna().sum() == 4
    with pytest.warns(FmdiagWarning, match="monitor: ") as met:
        monitor.close()
    assert len(met) == len(monitor.errors)
    monitor.close()     # says it once


@pytest.mark.parametrize(("options", "message"), [
    ({"every": 0}, "every must be a whole number of at least 1, got 0"),
    ({"budget": 0}, "budget .* must be a number above 0"), ({"n": 4}, "n must be .* at least 8, got 4"),
    ({"measures": ["auc"]}, "unknown measure 'auc'"), ({"log": 3}, "log: a int takes no scalars"),
    ({"held_out": np.zeros((9, 1, 4, 4), np.float32)}, "shape"),
    ({"held_out": False, "measures": ["membership"]}, "membership: .* has no held-out examples: give held_out=ROWS"),
])
def test_wrong_settings_are_refused(digits, options, message):
    with pytest.raises(FmdiagError, match=message):
        silent(digits, **options)


def test_without_held_out_examples_it_says_so(digits):
    with pytest.warns(FmdiagWarning, match="no held-out examples: the monitor leaves out the gap"):
        monitor = silent(digits[:16].numpy())
    table = monitor(3, lambda x, t: -x)
    assert "f_mem" in set(table.quantity) and "auc" not in set(table.quantity) and not monitor.errors


def test_budget_is_kept():
    """A look of n costs 0.1 + 0.01 n seconds; a stretch between looks is 40 s long, then 5 s: never over the share."""
    budget, drawn = Budget(0.03), []
    for stretch in [40.0] * 8 + [5.0] * 8:
        budget.training += stretch
        n = budget.choose()
        drawn.append(n)
        if n is not None:
            budget.pay(n, 0.1 + 0.01 * n)
        assert budget.spent <= 0.03 * budget.training
    # 1.2 s of room a stretch: 16 costs .26 and 64 .74, so that by the third there is room for 128, which costs 1.38;
    # then 0.15 s a stretch: not even 16 fits each time.
    assert drawn[:3] == [16, 64, 128] and max(n for n in drawn if n) == 128 and None in drawn[8:]
    resumed = Budget(0.03)
    resumed.go_on(budget.account())
    assert resumed == budget
    assert Budget(None, n=40).choose() == 40


def test_looks_are_left_out_where_there_is_no_room(digits):
    monitor = fmdiag.Monitor(digits, every=1, measures=["f_mem"])
    for step in range(1, 6):
        monitor(step, fmdiag.ClosedFormField(digits))
    assert monitor.table.step.unique().tolist() == [1] and monitor.budget.left_out == 4
    with pytest.warns(FmdiagWarning, match="4 looks were left out to keep the budget of 3 %"):
        monitor.close()


def test_nothing_is_said_without_errors(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with silent(digits) as monitor:
            monitor(3, lambda x, t: -x)
