"""Schedules by name are those of the libraries that train on them; each is read by its name alone, against û*."""

import math

import numpy as np
import oracle
import pytest
import torch
from diffusers import DDPMScheduler
from test_conformance import ROWS, agrees, card, save, state
from test_foreign_bad_files import refused

from fmdiag.checkpoints import card_of, load_checkpoint, write_card
from fmdiag.checkpoints.choices import read_card
from fmdiag.checkpoints.named_schedules import CONTINUOUS, NAMES, name_of, named_schedule

THEIRS = {"ddpm": {}, "ddpm-linear": {}, "ddpm-cosine": {"beta_schedule": "squaredcos_cap_v2"},
          "scaled-linear": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}}


@pytest.mark.parametrize("name", THEIRS)
def test_betas_are_those_of_diffusers(name):
    betas = DDPMScheduler(num_train_timesteps=1000, **THEIRS[name]).betas.double()  # float32 there
    np.testing.assert_allclose(named_schedule(name).abar, torch.cumprod(1 - betas, 0).numpy(), rtol=2e-4)


@pytest.mark.parametrize("name, steps", [("ddpm-cosine", 4000), ("scaled-linear", 50), ("ddpm-linear", 250)])
def test_another_number_of_steps(name, steps):
    found = named_schedule(f"{name}:{steps}")
    assert len(found.abar) == steps and name_of(found).partition(":")[0] in (name, "ddpm")
    if name == "ddpm-linear":  # as guided-diffusion scales its betas: the whole noise stays about as it is
        np.testing.assert_allclose(1 - found.abar[0], 4e-4, rtol=1e-10)
        assert found.reachable[0] == pytest.approx(named_schedule("ddpm").reachable[0], rel=0.15)


def test_the_logistic_schedule_is_symmetric():
    """abar of half the steps is one half, as for any function that is odd about its middle; it begins at 1."""
    abar = named_schedule("ddpm-sigmoid").abar
    assert abar[499] == pytest.approx(0.5, abs=1e-10) and abar[0] > 0.999
    np.testing.assert_allclose(abar[:499] + abar[998:499:-1], 1, atol=1e-9)


def test_sigmas_of_edm_and_score_sde():
    ends = {name: (s.sigma_min, s.sigma_max) for name, s in CONTINUOUS.items()}
    assert ends["edm"] == (0.002, 80) and ends["edm-ve"] == (0.02, 100) and ends["ve"] == (0.01, 50)
    assert ends["edm-vp"] == pytest.approx((1e-3, math.sqrt(math.exp(10.05) - 1)), rel=1e-3)
    assert all(name_of(named_schedule(name)) in (name, "ddpm") for name in NAMES)


def cosine_steps(step):
    """Squared cosines by hand, for whole steps."""
    def level(k):
        return torch.cos((k / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    abar = level(step.double() + 1) / level(torch.zeros((), dtype=torch.float64))
    return abar.sqrt(), (1 - abar).sqrt(), None, None


@pytest.mark.parametrize("name, schedule, output", [
    ("ddpm-cosine", "by hand", "epsilon"), ("scaled-linear", "scaled_linear", "epsilon"), ("ve", "edm", "score"),
    ("edm-vp", "edm", "x1")])
def test_a_card_that_names_a_schedule_alone_is_u_star(name, schedule, output, tmp_path, monkeypatch):
    monkeypatch.setitem(oracle.SCHEDULES, "by hand", cosine_steps)
    monkeypatch.setitem(oracle.SCHEDULES, "scaled_linear", oracle.discrete("scaled_linear"))
    file, model = save(state(ROWS), tmp_path), card(tmp_path, convention=f'path = "{name}"', schedule=schedule,
                                                    output=output)
    found = load_checkpoint(file, model=model)
    known = found.description
    assert known["parameterisation"] == output and known["origin"]["parameterisation"] == "assumed"
    assert known["origin"]["schedule"] == "given"
    times = [0.1, 0.4, 0.7, 0.9]
    if hasattr(found.field.convention.schedule, "abar"):
        share = 1 / (1 + np.exp(-found.field.convention.schedule.log_ratio))
        times = [float(share[k]) for k in (900, 500, 100)]
    agrees(found, times)
    write_card(card_of(found), tmp_path / "written.toml")
    assert read_card(tmp_path / "written.toml")["convention"] == {"parameterisation": output, "path": name}
    agrees(load_checkpoint(file, model=tmp_path / "written.toml"), times)


def test_names_that_are_none(tmp_path):
    file = save(state(ROWS), tmp_path)
    for name, words in (("ddpm-cosin", "did you mean 'ddpm-cosine'"), ("ddpm-cosine:x", "whole number of steps after"),
                        ("ddpm-linear:3", "betas above 1"), ("edm:5", "unknown probability path 'edm'")):
        refused(words, file, model=card(tmp_path), path_name=name)
