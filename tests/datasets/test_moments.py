"""Moments of latents by an option: read from files, with held-out rows, subsets and classes, and what is refused."""

import warnings

import numpy as np
import pytest
import torch

import fmdiag
from fmdiag.checkpoints import cautions
from fmdiag.datasets import load_dataset
from fmdiag.errors import FmdiagError


def stored(n=20, channels=8):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, channels, 4, 4)).astype(np.float32)


@pytest.mark.parametrize("kind", ["array", "npy", "memmap"])
def test_read_with_the_factor_of_latents(kind, tmp_path):
    values = stored()
    np.save(tmp_path / "moments.npy", values)
    source = values if kind == "array" else tmp_path / "moments.npy"
    train = load_dataset(source, moments="mean-logvar:0.18215", held_out=0.25, n=10)
    whole = load_dataset(source, held_out=0.25, n=10)
    assert train.shape == (4, 4, 4) and train.n == train.spread.n == 10
    torch.testing.assert_close(train[:], 0.18215 * whole[:][:, :4])
    torch.testing.assert_close(train.spread[:], 0.18215 * (whole[:][:, 4:] / 2).exp())
    torch.testing.assert_close(train.held_out.spread[:], 0.18215 * (whole.held_out[:][:, 4:] / 2).exp())


def test_undeclared_moments_are_latents_of_twice_the_channels():
    assert load_dataset(stored()).shape == (8, 4, 4) and load_dataset(stored()).spread is None


@pytest.mark.parametrize("rows, moments, sentence", [
    (stored(channels=7), "mean-logvar", "even number of channels, means and as many log-variances, got rows of shape"),
    (stored(), "logvar", "unknown format of moments 'logvar'"),
    (stored(), "mean-std", "standard deviations reach down to -.+ declare mean-logvar"),
    (stored(), "mean-logvar:no", "as in mean-logvar:0.18215, got 'no'"),
])
def test_what_is_refused(rows, moments, sentence):
    with pytest.raises(FmdiagError, match=sentence) as error:
        load_dataset(rows, moments=moments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["error", "hybrid", "provenance", "memorization"])
def test_diagnostics_of_the_model_that_fits_sampled_latents(name):
    """û* of the sampled latents is such a model: its error is 0, and that of û* of the means alone is not."""
    train = load_dataset(stored(), moments="mean-logvar", held_out=0.5)
    small = {"error": {"n_pairs": 4, "times": (0.3, 0.9), "n_steps": 4},
             "hybrid": {"taus": ((0.0, 1.0),), "n_samples": 3, "n_steps": 4},
             "provenance": {"sample_numbers": (0, 1), "n_samples": 2, "n_noises": 4, "n_steps": 4},
             "memorization": {"n_samples": 4, "n_steps": 4}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = fmdiag.Run(field=fmdiag.ClosedFormField(train), train=train)
        result = run.measure(name, **small[name])
    assert len(result.table)
    if name == "error":
        assert result.table["squared_error"].max() < 1e-8
        means = fmdiag.approximation_error(run.field, train.rows, times=[0.9], n_pairs=4)
        assert means["squared_error"].mean() > 1e-3


def test_the_loss_is_the_error_and_the_conditional_variance():
    """E ||u_cond - û*||² is c_t tr Cov: over 4000 pairs the two means agree within five standard errors."""
    train = load_dataset(stored(n=3, channels=2)[:, :, :1, :1], moments="mean-logvar")
    table = fmdiag.approximation_error(fmdiag.ClosedFormField(train), train, times=[0.4], n_pairs=4000, states="train")
    apart = table["cfm_loss"] - table["conditional_variance"]
    assert abs(apart.mean()) < 5 * apart.std() / 4000**0.5


def test_what_needs_points_says_so():
    train = load_dataset(stored(), moments="mean-logvar", held_out=0.5)
    run = fmdiag.Run(field=lambda x, t: -x, train=train)
    for name in ("membership", "symmetry", "theories"):
        with pytest.raises(FmdiagError, match="needs examples that are points: give one stored latent per image, with"):
            run.measure(name)
    guided = fmdiag.TrainingSet(stored(), labels=np.arange(20) % 2).of_class(1, guidance=2.0)
    with pytest.raises(FmdiagError, match="theories needs a model without guidance: leave --guidance out"):
        fmdiag.Run(field=lambda x, t: -x, train=guided).measure("theories")


def test_the_caution_follows_the_data():
    said = [cautions.LATENTS, "other"]
    checkpoint = fmdiag.checkpoints.Checkpoint(None, {"warnings": said}, None, None, "")
    checkpoint.say_of_latents(load_dataset(stored(), moments="mean-logvar"))
    assert said == [cautions.SAMPLED, "other"] and cautions.is_latent(checkpoint)
    checkpoint.say_of_latents(load_dataset(stored()))
    assert said == [cautions.LATENTS, "other"]
