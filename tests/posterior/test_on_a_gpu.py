"""The posterior on a GPU is that of the CPU."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.posterior import EmpiricalPosterior
from fmdiag.sampling import draw_noise


def images(n=300, side=16):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)
    return TrainingSet(pixels, 127.5, -1.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: the same curve there as on the CPU")
def test_the_curve_on_a_gpu_is_that_of_the_cpu():
    data, numbers = images(400), torch.arange(0, 400, 40)
    x0 = draw_noise(10, data.shape, generator=torch.Generator().manual_seed(0))
    pair = (x0, data[numbers.numpy()], numbers, [0.01, 0.1, 0.3, 0.9])
    on_cpu, on_gpu = ({(k, int(p)): found.mean[i].cpu() for k, pairs, found in engine.curve(*pair)
                       for i, p in enumerate(pairs)}
                      for engine in (EmpiricalPosterior(data), EmpiricalPosterior(data, device="cuda")))
    for key, mean in on_cpu.items():
        torch.testing.assert_close(on_gpu[key], mean, rtol=1e-5, atol=1e-5)
