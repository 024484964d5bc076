"""Every solver stays inside the unit interval, keeps its order, and leaves lost trajectories behind."""

import math
import sys

import pytest
import torch

import fmdiag
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import HybridField
from fmdiag.sampling import METHODS, integrate, sample, time_grid, trajectory

ORDERS = {"euler": 1, "midpoint": 2, "heun2": 2, "rk4": 4}


class Guarded:
    """dx/dt = -2 t x, x(t) = x(0) exp(-t²), asked inside [low, high] only; keeps the times it was asked at."""

    def __init__(self, low=0.0, high=1.0, scale=-2.0):
        self.reachable, self.scale, self.asked = (low, high), scale, []

    def __call__(self, x, t):
        self.asked += [t.min().item(), t.max().item()]
        low, high = self.reachable
        # float32 holds neither bound exactly.
        if not (low - 1e-7 <= self.asked[-2] and self.asked[-1] <= high + 1e-7):
            raise ValueError(f"asked at {self.asked[-2:]}")
        return self.scale * t.reshape(-1, *[1] * (x.ndim - 1)) * x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", METHODS)
def test_fault_2_22_adaptive_solvers_stay_in_unit_time(method, dtype):
    x0 = torch.ones(3, 2, dtype=dtype)
    field = Guarded()
    assert sample(field, x0, 20, method)[0, 0].item() == pytest.approx(math.exp(-1), abs=0.03)
    assert min(field.asked) == 0 and max(field.asked) <= 1


@pytest.mark.parametrize("start", [0.0, 0.3, 0.9999])
@pytest.mark.parametrize("method", METHODS)
def test_fault_2_22_no_guess_at_a_first_step_leaves_the_interval(method, start):
    """A velocity that is small beside the state makes torchdiffeq try a first step of 0.01 |x| / |v|."""
    for scale in (-2.0, 1e-4, 0.0):
        field = Guarded(start, 1.0, scale)
        x = integrate(field, torch.full((2, 3), 100.0), [start, 1.0], method)
        assert x[0, 0].item() == pytest.approx(100 * math.exp(scale * (1 - start**2) / 2), rel=2)


@pytest.mark.parametrize("method", METHODS)
def test_fault_2_22_solvers_end_at_tau_and_at_the_ends_of_a_schedule(method):
    u_star = fmdiag.ClosedFormField(fmdiag.TrainingSet(torch.zeros(1, 2).numpy()))
    after = Guarded(0.3, 1.0)
    x = sample(HybridField(u_star, after, 0.3), torch.ones(2, 2), 10, method)
    assert x[0, 0].item() == pytest.approx(0.7 * math.exp(-1 + 0.09), abs=0.03)
    masked = Guarded(0.1, 0.9)
    x = sample(masked, torch.ones(2, 2), 10, method)
    # Noise of level .1 at .1, then the field until .9, then one step along the velocity there.
    start, at_end = math.hypot(0.1, 0.9), math.exp(-(0.81 - 0.01))
    assert x[0, 0].item() == pytest.approx(start * at_end * (1 - 0.1 * 1.8), abs=0.03)
    assert min(masked.asked) == pytest.approx(0.1, abs=1e-7) and max(masked.asked) == pytest.approx(0.9, abs=1e-7)


@pytest.mark.parametrize("method", ORDERS)
def test_fault_2_22_fixed_methods_keep_their_order(method):
    x0 = torch.ones(1, 1, dtype=torch.float64)
    errors = [abs(sample(Guarded(), x0, n, method).item() - math.exp(-1)) for n in (20, 40)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDERS[method], abs=0.25)


def test_fault_2_22_the_adaptive_method_keeps_its_tolerance():
    """Ten oscillations in unit time: an error of 1e-5 per step and few dozen steps."""
    def turning(x, t):
        return 20 * math.pi * torch.stack([-x[:, 1], x[:, 0]], 1)

    x0 = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    assert (sample(turning, x0, method="dopri5") - x0).norm().item() < 1e-2


def test_fault_2_22_every_solver_runs_on_the_bundled_checkpoint():
    checkpoint = fmdiag.load_checkpoint("data/digits.pt")
    x0 = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    exact = sample(checkpoint.field, x0, 40, "rk4")
    for method in METHODS:
        found = sample(checkpoint.field, x0, 30, method)
        assert (found - exact).abs().mean().item() < 0.1, method
        table = fmdiag.hybrid(checkpoint.field, checkpoint.training_set(), taus=[0.3], n_samples=2, n_steps=5,
                              method=method, generator=torch.Generator().manual_seed(0))
        assert len(table) == 2


def test_fields_that_change_too_fast_end_in_one_line(monkeypatch):
    monkeypatch.setattr(sys.modules["fmdiag.sampling.integrate"], "MOST_STEPS", 40)
    with pytest.raises(FmdiagError, match="no step small enough.*choose euler or rk4"):
        sample(lambda x, t: torch.cos(1e4 * t)[:, None] * 1e4 + 0 * x, torch.zeros(2, 2), method="dopri5")


def exploding(x, t):
    """x² for positive x, which leaves every bound at t = 1 / x0; 0 for others."""
    return torch.where(x > 0, x.square(), 0)


@pytest.mark.parametrize("method", METHODS)
def test_fault_2_7_lost_trajectories_do_not_stop_the_others(method):
    x0 = torch.tensor([[4.0], [-1.0], [-2.0], [100.0]])
    said = r"2 of 4 trajectories diverged.*the first at t = 0\.\d+: values that are not finite"
    with pytest.warns(FmdiagWarning, match=said):
        x = sample(exploding, x0, 200, method)
    assert torch.equal(x[1:3], x0[1:3]) and bool(x[[0, 3]].isnan().all())
    with pytest.raises(FmdiagError, match="all 2 trajectories diverged.*check the field's sign"):
        sample(exploding, x0[[0, 3]], 200, method)


def test_fault_2_7_values_that_are_not_finite_are_lost_when_they_come():
    def field(x, t):
        return torch.where((x[:, :1] > 0) & (t[:, None] > 0.45), torch.nan, torch.ones_like(x))

    grid, states = trajectory(field, torch.tensor([[-9.0, 1.0], [1.0, 1.0]]), 10)
    lost = [t for t, state in zip(grid, states, strict=True) if bool(state[1].isnan().all())]
    assert lost == [t for t in grid if t > 0.55] and bool(torch.stack(states)[:, 0].isfinite().all())
    assert grid == time_grid(10)


@pytest.mark.parametrize("scale", [-2.0, 1e-4])
@pytest.mark.parametrize("method", METHODS)
def test_fault_2_22_no_step_is_tried_beyond_the_end(method, scale, monkeypatch):
    """What torchdiffeq asks for before rounding is taken out: neither a step nor a guess at one leaves the interval."""
    solver, asked = sys.modules["fmdiag.sampling.integrate"]._Solver, []
    original = solver.__call__
    monkeypatch.setattr(solver, "__call__", lambda self, t, x: (asked.append(float(t)), original(self, t, x))[1])
    for start in (0.0, 0.3, 0.9999):
        integrate(Guarded(start, 1.0, scale), torch.full((2, 3), 100.0), [start, 1.0], method)
        assert start - 1e-6 < min(asked) and max(asked) < 1 + 1e-6
        asked.clear()


def test_lost_trajectories_have_no_say_in_the_steps_of_the_others():
    solver = sys.modules["fmdiag.sampling.integrate"]._Solver(exploding, 3, "cpu")
    error = torch.tensor([[3.0, 4.0], [1e9, 1e9], [0.0, 5.0]])
    solver._lose(torch.tensor([False, True, False]), 0.5)
    assert solver._norm(error).item() == pytest.approx(math.sqrt(50 / 4))
    solver._lose(torch.tensor([True, True, True]), 0.6)
    assert solver._norm(error).item() == 0
