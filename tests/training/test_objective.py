"""Objectives: labels, what is refused, the noised loss against its closed form, cautions that follow along."""

import pytest
import torch

from fmdiag.checkpoints import load_checkpoint, save_checkpoint
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath
from fmdiag.training import authors_samples, label, make_objective, train
from fmdiag.training.losses import LOSSES

POINTS = TrainingSet(torch.randn(12, 2, generator=torch.Generator().manual_seed(0)).numpy())
SPEC = {"name": "mlp", "shape": [2], "width": 8, "depth": 1}


@pytest.mark.parametrize("arguments, expected", [
    ({"loss": "cfm"}, "cfm"), ({"loss": "otcfm"}, "otcfm"), ({"loss": "cfm", "coupling": "plan"}, "otcfm"),
    ({"loss": "otcfm", "coupling": "assignment"}, "otcfm (assignment)"), ({"loss": "efm"}, "efm M=128"),
    ({"loss": "efm", "pool_size": "all"}, "efm M=n"),
    ({"loss": "efm", "pool_size": 3, "replacement": True}, "efm M=3 (with replacement)"),
    ({"loss": "noised", "sigma": 0.1, "noise": "bridge"}, "noised sigma=0.1 (bridge)"),
    ({"loss": "noised", "coupling": "assignment"}, "ot-noised sigma=0.05 (assignment)"),
])
def test_label(arguments, expected):
    assert label(make_objective(**arguments)) == expected


@pytest.mark.parametrize("arguments, message", [
    ({"loss": "efn"}, "did you mean 'efm'"), ({"loss": "cfm", "pool_size": 3}, "belongs to loss efm"),
    ({"loss": "efm", "sigma": 0.1}, "belongs to loss noised"), ({"loss": "efm", "coupling": "plan"}, "leave coupling"),
    ({"loss": "efm", "pool_size": 0}, "pool_size"), ({"loss": "noised", "sigma": -1.0}, "sigma must be positive"),
    ({"loss": "noised", "noise": "bridg"}, "did you mean 'bridge'"), ({"loss": "cfm", "coupling": "ot"}, "coupling"),
    ({"loss": "otcfm", "coupling": "independent"}, "is cfm"),
])
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(FmdiagError, match=message):
        make_objective(**arguments)


def test_a_pool_larger_than_the_set_is_refused():
    with pytest.raises(FmdiagError, match="more than the 12 rows"):
        train(POINTS, SPEC, steps=1, loss="efm", objective={"pool_size": 13})


@pytest.mark.parametrize("noise", ["constant", "bridge"])
def test_noised_pairs_have_the_law_of_the_wider_path(noise):
    # Given x1, (x_t, target) are jointly normal: Var x_t = (1-t)^2 + gamma^2, Cov(x_t, target) = -(1-t) + gamma gamma',
    # so that target regresses on x_t as the path with that variance says (derived). 400 000 draws; the standard error
    # of a covariance of variables of variance near 1 is below 2 / sqrt(400 000) = 0.0032; five of them.
    n, t, sigma = 400_000, 0.3, 0.8
    x0 = torch.randn(n, 1, generator=torch.Generator().manual_seed(0))
    x1 = torch.full((n, 1), 2.0)
    xt, target = LOSSES["noised"](x0, x1, torch.full((n,), t), path=LinearPath(), training_set=None, sigma=sigma,
                                  generator=torch.Generator().manual_seed(1), noise=noise)
    squared, product = (sigma**2, 0) if noise == "constant" else (sigma**2 * t * (1 - t), sigma**2 * (1 - 2 * t) / 2)
    centred = xt - t * x1
    assert abs(centred.square().mean() - ((1 - t) ** 2 + squared)) < 0.016
    assert abs((centred * (target - x1)).mean() - (product - (1 - t))) < 0.016


@pytest.mark.parametrize("loss, code", [("cfm", None), ("efm", None), ("otcfm", "ot-coupling"), ("noised", "noised")])
def test_a_checkpoint_carries_its_objective_and_caution(tmp_path, loss, code):
    objective = {"pool_size": 4} if loss == "efm" else {}
    state = train(POINTS, SPEC, steps=2, batch_size=6, loss=loss, objective=objective, precision="fp32")
    save_checkpoint(state.checkpoint(), tmp_path / "c.pt")
    description = load_checkpoint(tmp_path / "c.pt").description
    assert description["loss"] == label(make_objective(loss, **objective))
    assert description["training"]["objective"]["loss"] == loss
    # A few steps leave most of the initial network in the average, which is said of every objective.
    codes = [text.partition(":")[0] for text in description["warnings"]]
    assert [one for one in codes if one != "initial-weights"] == ([code] if code else [])


def test_the_objective_decides_the_outcome_and_the_seed_repeats_it():
    states = [train(POINTS, SPEC, steps=5, batch_size=8, precision="fp32", loss=loss, objective=options)
              for loss, options in [("cfm", {}), ("cfm", {}), ("otcfm", {}), ("efm", {"pool_size": 4})]]
    losses = [state.log[-1]["loss"] for state in states]
    assert losses[0] == losses[1] and len(set(losses)) == 3


@pytest.mark.parametrize(("options", "batch", "theirs"), [
    ({"pool_size": 256}, 128, 128), ({"pool_size": 128}, 128, 0), ({"pool_size": 128}, 256, None),
    ({"pool_size": "all"}, 128, None)])
def test_fault_4_3_pools_are_counted_as_the_authors_count_them(options, batch, theirs):
    """Their pool is the batch's rows and n_samples_mean others: 128 + 128 = M = 256."""
    assert authors_samples(make_objective("efm", **options), batch) == theirs
    assert authors_samples(make_objective("cfm"), batch) is None
