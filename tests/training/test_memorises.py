"""A network trained on a handful of digits reproduces them; fresh digits do not pass for copies."""

import pytest
import torch

from fmdiag.datasets import load_dataset
from fmdiag.fields import NetworkField
from fmdiag.neighbors import nearest_distinct
from fmdiag.sampling import draw_noise, sample
from fmdiag.training import choose_network, train


@pytest.mark.slow
def test_network_on_four_digits_memorises_them():
    # benchmarks/memorise_digits.py is the full experiment (16 and 1500 digits); its results are committed beside it.
    digits = load_dataset("digits", n=4)
    spec = choose_network(digits.shape, "mlp", width=128, depth=2)
    state = train(digits, spec, steps=1500, lr=2e-3, precision="fp32")
    state.module.load_state_dict(state.ema)
    noise = draw_noise(200, digits.shape, generator=torch.Generator().manual_seed(0))
    samples = sample(NetworkField(state.module), noise, 100, "euler")
    found = nearest_distinct(samples, digits)
    assert (found.ratio < 1 / 3).mean() > 0.9
    assert set(found.rows1) == {0, 1, 2, 3}
    assert (nearest_distinct(digits.held_out[:], digits).ratio < 1 / 3).mean() < 0.05
