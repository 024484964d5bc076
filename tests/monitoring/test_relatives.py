"""The monitor on networks that are no plain v(x, t): û* in the clothes of each is known to copy, with error 0."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import fmdiag


class Disguised(torch.nn.Module):
    """û* as a network that takes and returns something else; it counts its calls in a buffer."""

    def __init__(self, rows, forward, path=None):
        super().__init__()
        self.u_star, self.told = fmdiag.ClosedFormField(rows, path=path), forward
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x, *others):
        self.calls += 1
        return self.told(self.u_star, x, *others)


GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "monitoring.md"


def of_the_guide(name, network):
    """Return a function of the guide that makes a velocity of what the network returns."""
    found = {"fmdiag": fmdiag, "network": network}
    exec(re.search(r"```python\n(def from_edm.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[1], found)
    return found[name]


def wide(values, x):
    return values.reshape(-1, *[1] * (x.ndim - 1)).to(x)


def edm(rows):
    """D(x; sigma) of x = x1 + sigma n, which is x_t / t at t = 1 / (1 + sigma)."""
    def denoised(u_star, x, sigma):
        t = 1 / (1 + sigma)
        return wide(t, x) * x + wide(1 - t, x) * u_star(wide(t, x) * x, t)

    network = Disguised(rows, denoised)
    return network, of_the_guide("from_edm", network), {}


def noise_on_vp(rows):
    """The noise predicted on the variance-preserving path: u = alpha' x1 + sigma' x0."""
    path = fmdiag.VPPath()

    def noise(u_star, x, t):
        alpha, sigma, d_alpha, d_sigma = (wide(one(t), x) for one in (path.alpha, path.sigma, path.d_alpha,
                                                                      path.d_sigma))
        return (alpha * u_star(x, t) - d_alpha * x) / (alpha * d_sigma - d_alpha * sigma)

    network = Disguised(rows, noise, path)
    return network, of_the_guide("from_noise", network), {"path": path}


def of_classes(rows):
    """A network of (x, t, y), asked for one class, whose rows are the training set."""
    network = Disguised(rows, lambda u_star, x, t, y: u_star(x, t) * (y == 3).reshape(-1, 1, 1, 1))
    return network, lambda x, t: network(x, t, torch.full((len(x),), 3)), {}


def plain(rows):
    network = Disguised(rows, lambda u_star, x, t: u_star(x, t))
    return network, network, {}


def latents():
    rng = np.random.default_rng(0)
    rows, others = (np.float32(rng.normal(size=(40, 4, 4, 4)).clip(-1, 1)) for _ in range(2))
    return fmdiag.TrainingSet(rows, held_out_source=fmdiag.TrainingSet(others))


@pytest.mark.parametrize("make, data", [(edm, "digits"), (noise_on_vp, "digits"), (of_classes, "digits"),
                                        (plain, "latents")])
def test_a_relative_of_u_star_is_seen_to_copy(make, data):
    rows = latents() if data == "latents" else fmdiag.load_dataset("digits", n=40)
    network, field, options = make(rows)
    monitor = fmdiag.Monitor(rows, every=5, budget=None, n=16, measures=["error", "f_mem"], n_steps=10, **options)
    table = monitor(5, field).set_index("quantity")
    assert not monitor.errors and network.training and network.calls == 0
    assert table.value["f_mem"] > 0.9 and table.p["f_mem_excess"] < 1e-6      # ten Euler steps may lose one on a path
    # Each way back costs a few roundings of float32, which dividing by alpha or t magnifies up to a thousand times.
    assert table.value[["error_train", "error_model"]].max() < 1e-4
