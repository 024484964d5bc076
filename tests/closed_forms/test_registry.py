"""What every closed form promises: dtypes, times per point, refusals, a fingerprint, and the same on a GPU."""

import numpy as np
import pytest
import torch

from fmdiag.closed_forms import CLOSED_FORMS
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.fields.contract import as_field
from fmdiag.paths import CosinePath

PARAMETERS = {"local-score": {"k": 3}, "pspc-square": {"k": 3}, "els": {"k": 3}, "pca-locality": {"threshold": 0.1}}
T = torch.tensor([0.0, 0.3, 0.8, 0.99], dtype=torch.float64)


def images(n=12, seed=0):
    return TrainingSet(np.random.default_rng(seed).uniform(-1, 1, (n, 2, 5, 4)).astype(np.float32), name="images")


def field(name, data, **options):
    return CLOSED_FORMS[name](data, **PARAMETERS.get(name, {}), **options)


def states(dtype=torch.float32):
    return torch.randn(4, 2, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_mean_and_velocity_agree_and_points_do_not_depend_on_each_other(name):
    found, path, x = field(name, images(), path=CosinePath()), CosinePath(), states()
    mean, velocity = found.mean(x, T), found(x, T)
    assert mean.dtype == torch.float64 and velocity.dtype == torch.float32 and mean.shape == velocity.shape == x.shape
    torch.testing.assert_close(velocity, path.velocity_from_mean(mean, x.double(), T).float())
    alone = torch.cat([found.mean(x[j : j + 1], T[j].item()) for j in range(4)])
    torch.testing.assert_close(alone, mean, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_what_has_no_answer_is_refused(name):
    found, x = field(name, images()), states()
    with pytest.raises(FmdiagError, match="sigma_t = 0"):
        found.mean(x, 1.0)
    with pytest.raises(FmdiagError, match="x must have shape \\(b, 2, 5, 4\\)"):
        found.mean(x[..., :3], 0.5)
    with pytest.raises(FmdiagError, match="NaN"):
        found.mean(x * float("nan"), 0.5)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_means_lie_within_the_range_of_the_examples_and_one_example_is_its_own(name):
    if name not in ("wiener", "els"):   # linear; and of patches from other places
        one = images(1)
        torch.testing.assert_close(field(name, one).mean(states(), T), one[:].double().expand(4, -1, -1, -1),
                                   rtol=1e-12, atol=1e-12)
    if name != "wiener":
        assert field(name, images()).mean(3 * states(), T).abs().max() <= 1


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_the_fingerprint_tells_data_paths_and_theories_apart(name):
    prints = [field(name, images()).fingerprint, field(name, images(seed=1)).fingerprint,
              field(name, images(), path=CosinePath()).fingerprint]
    prints += [field(other, images()).fingerprint for other in CLOSED_FORMS if other != name]
    assert len(set(prints)) == len(prints) and field(name, images()).fingerprint == prints[0]


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_they_are_fields_as_they_are(name):
    found = field(name, images())
    assert as_field(found) is found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: the same means there as on the CPU")
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_a_gpu_gives_the_same(name):
    data, x = images(), states()
    torch.testing.assert_close(field(name, data, device="cuda").mean(x, T), field(name, data).mean(x, T), rtol=1e-9,
                               atol=1e-9)
    if name in ("local-score", "pspc-square"):
        numbers = torch.arange(4)
        pair = (x, data[numbers.numpy()], numbers, [0.1, 0.5, 0.99])
        torch.testing.assert_close(field(name, data, device="cuda").curve(*pair), field(name, data).curve(*pair),
                                   rtol=0, atol=2e-5)
