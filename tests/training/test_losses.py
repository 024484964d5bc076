"""The CFM loss against cases whose minimiser and minimum are known."""

import torch

from fmdiag.datasets import TrainingSet
from fmdiag.paths import CosinePath, LinearPath
from fmdiag.training.losses import LOSSES, regression_loss


def pairs(rows, path, n=4000, seed=0):
    training_set = TrainingSet(rows.numpy())
    generator = torch.Generator().manual_seed(seed)
    x1 = training_set[torch.randint(len(rows), (n,), generator=generator).numpy()].double()
    x0 = torch.randn(x1.shape, generator=generator, dtype=torch.float64)
    t = torch.rand(n, generator=generator, dtype=torch.float64) * 0.98
    xt, target = LOSSES["cfm"](x0, x1, t, path=path, training_set=training_set, generator=generator)
    return xt, target, t


def test_on_one_point_the_closed_form_has_no_loss():
    # With one row û* = (x1 - x) / (1 - t) is the conditional velocity itself: the loss at the optimum is zero.
    row = torch.tensor([[1.0, -2.0, 0.5]])
    xt, target, t = pairs(row, LinearPath())
    u_star = (row.double() - xt) / (1 - t)[:, None]
    # The loss is taken in float32 of values up to about 5: squares of 5 * 2^-24 * a few.
    assert regression_loss(u_star, target).max() < 1e-9


def test_minimum_on_two_points_is_the_conditional_variance():
    # Rows +-1 in one dimension: û* = (tanh(t x / (1-t)^2) - x) / (1 - t), and E||u_cond - û*||^2 is
    # (1 - E tanh^2) / (1-t)^2, here by quadrature over x_t = t + (1-t) z, z ~ N(0, 1) (the two rows are symmetric).
    xt, target, t = pairs(torch.tensor([[1.0], [-1.0]]), LinearPath(), n=200_000)
    u_star = (torch.tanh(t[:, None] * xt / (1 - t[:, None]) ** 2) - xt) / (1 - t)[:, None]
    losses = regression_loss(u_star, target).double()
    z = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    density = torch.exp(-z**2 / 2) / (2 * torch.pi) ** 0.5 * 0.01
    times = (torch.arange(490, dtype=torch.float64)[:, None] + 0.5) / 500
    tanh = torch.tanh(times * (times + (1 - times) * z) / (1 - times) ** 2)
    expected = (((1 - tanh**2) * density).sum(1) / (1 - times[:, 0]) ** 2).mean()
    # Monte Carlo: five standard errors of the mean over 200 000 draws; the quadrature's own error is far below.
    assert abs(losses.mean() - expected) < 5 * losses.std() / 200_000**0.5


def test_target_is_the_paths_time_derivative():
    path, step = CosinePath(), 1e-5
    x0, x1 = torch.tensor([[0.3, -1.0]], dtype=torch.float64), torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    at = [path.sample(x0, x1, t) for t in (0.4 - step, 0.4 + step)]
    _, target = LOSSES["cfm"](x0, x1, 0.4, path=path, training_set=None, generator=None)
    # Central differences: error of order step^2 times the third derivative, about 1e-9.
    torch.testing.assert_close(target, (at[1] - at[0]) / (2 * step), rtol=1e-8, atol=1e-8)


def test_loss_is_the_mean_over_coordinates():
    velocity, target = torch.zeros(2, 3, 2), torch.ones(2, 3, 2)
    target[1] *= 2
    assert regression_loss(velocity, target).tolist() == [1.0, 4.0]
