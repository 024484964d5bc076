"""Training: the loss falls, every setting is checked, and a run that diverges keeps its last good state."""

import math
import warnings

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import build_network
from fmdiag.training import LOSSES, choose_network, precision, train
from fmdiag.training.ema import ema_decay_at, update_ema
from fmdiag.training.loop import learning_rate
from fmdiag.training.randomness import draw_batch, seeded, step_generator

POINTS = TrainingSet(np.array([[2.0, -1.0], [-2.0, 1.0]], dtype=np.float32), name="points")
SMALL = {"name": "mlp", "shape": [2], "width": 32, "depth": 1}


def train_small(training_set=POINTS, **settings):
    return train(training_set, SMALL, **{"steps": 20, "batch_size": 16, "precision": "fp32", **settings})


def test_loss_falls_to_that_of_the_closed_form_on_one_point():
    one = TrainingSet(np.array([[2.0, -1.0]], dtype=np.float32))
    state = train_small(one, steps=600, batch_size=64, lr=3e-3)
    losses = [row["loss"] for row in state.log]
    # E||x1 - x0||^2 / d = (5 + 2) / 2 = 3.5 at v = 0; the minimum is 0. A network without t or x cannot go below
    # the noise's variance, 1.
    assert losses[0] > 2 and np.mean(losses[-5:]) < 0.3


def test_same_seed_same_bits_and_another_seed_other_bits():
    first, again, other = train_small(), train_small(), train_small(seed=1)
    for name, weight in first.ema.items():
        assert torch.equal(weight, again.ema[name])
    assert first.log == again.log != other.log


def test_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    train_small(steps=2)
    assert torch.equal(before, torch.random.get_rng_state())


def test_log_saves_and_progress_every_ten_steps():
    saved, shown = [], []
    state = train_small(steps=25, save=lambda s: saved.append(s.step), progress=lambda *a: shown.append(a),
                        save_seconds=0)
    assert [row["step"] for row in state.log] == [10, 20, 25] == [row[0] for row in shown]
    assert saved == [0, 10, 20, 25]
    assert shown[0][2] == 25


def test_flips_are_drawn_only_for_sets_with_flips():
    image = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    drawn = [draw_batch(TrainingSet(image, hflip=hflip), 64, step_generator(0, 0))[1] for hflip in (False, True)]
    plain = torch.from_numpy(image[0])
    assert all(torch.equal(row, plain) for row in drawn[0])
    mirrored = sum(torch.equal(row, plain.flip(-1)) for row in drawn[1])
    # Binomial(64, 1/2) lies within 5 standard deviations (4 each) of 32.
    assert 12 <= mirrored <= 52


def test_steps_draw_independent_batches():
    batches = [draw_batch(POINTS, 4, step_generator(seed, step)) for seed, step in [(0, 0), (0, 1), (1, 0)]]
    again = draw_batch(POINTS, 4, step_generator(0, 1))
    assert torch.equal(batches[1][0], again[0])
    assert not torch.equal(batches[0][0], batches[1][0]) and not torch.equal(batches[1][0], batches[2][0])


def test_seeded_blocks_repeat():
    draws = []
    for _ in range(2):
        with seeded(3, 5):
            draws.append(torch.rand(3))
    assert torch.equal(*draws)


def test_learning_rate_rises_linearly_then_stays():
    assert [learning_rate(k, 1.0, 4) for k in (0, 1, 3, 4, 99)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    assert learning_rate(0, 1.0, 0) == 1.0


def test_ema_of_constant_weights_has_its_closed_form():
    # From 0 towards constant weights 1: after K steps 1 - prod_k decay_k, and prod_{k<K} (1+k)/(10+k) = K! 9! / (K+9)!.
    module = torch.nn.Linear(1, 1, bias=False).double()
    module.weight.data.fill_(1.0)
    ema = {"weight": torch.zeros(1, 1, dtype=torch.float64)}
    for step in range(30):
        update_ema(ema, module, step, 0.9999)
    left = math.exp(math.lgamma(31) + math.lgamma(10) - math.lgamma(40))
    assert ema["weight"].item() == pytest.approx(1 - left, rel=1e-12)


def test_ema_decay_reaches_its_final_value_and_zero_keeps_the_weights():
    assert ema_decay_at(0, 0.9999) == 0.1 and ema_decay_at(10**6, 0.9999) == 0.9999
    state = train_small(ema_decay=0.0)
    assert all(torch.equal(weight, state.ema[name]) for name, weight in state.module.state_dict().items())


@pytest.mark.parametrize("bf16_seconds, chosen", [(0.5, "bf16"), (0.95, "fp32"), (2.0, "fp32")])
def test_auto_precision_takes_bf16_only_where_it_is_faster(monkeypatch, bf16_seconds, chosen):
    seconds = {"fp32": 1.0, "bf16": bf16_seconds}
    monkeypatch.setattr(precision, "_timed_pass", lambda module, x, t, device, name: seconds[name])
    state = train_small(precision="auto", steps=1)
    assert state.settings["precision"] == chosen
    assert state.settings["timing"] == {"fp32_seconds": 1.0, "bf16_seconds": bf16_seconds}


def test_measuring_precision_leaves_weights_and_gradients():
    state = train_small(steps=1)
    before = {name: weight.clone() for name, weight in state.module.state_dict().items()}
    state.module.zero_grad(set_to_none=True)
    precision.measure_precision(state.module, (2,), 8, "cpu")
    assert all(torch.equal(weight, before[name]) for name, weight in state.module.state_dict().items())
    assert all(weight.grad is None for weight in state.module.parameters())


def test_bf16_trains_float32_weights():
    state = train_small(precision="bf16", steps=300, lr=3e-3)
    assert {weight.dtype for weight in state.ema.values()} == {torch.float32}
    assert state.log[-1]["loss"] < state.log[0]["loss"]


@pytest.mark.parametrize("rows, lr", [([[np.nan, 0.0]], 1e-4), ([[np.inf, 0.0]], 1e-4), ([[1.0, 0.0]], 1e30)])
def test_divergence_stops_with_a_message_and_saves_nothing_bad(rows, lr):
    saved = []
    with pytest.raises(FmdiagError, match=r"diverged between steps \d+ and \d+.*--lr"):
        train_small(TrainingSet(np.array(rows, dtype=np.float32)), lr=lr, steps=100, save_seconds=0,
                    save=lambda s: saved.append(all(bool(w.isfinite().all()) for w in s.ema.values())))
    assert saved and all(saved)


@pytest.mark.parametrize("settings, message", [
    ({"loss": "cmf"}, "did you mean 'cfm'"),
    ({"steps": 0}, "steps must be at least 1"),
    ({"batch_size": 0}, "batch_size"),
    ({"lr": 0.0}, "lr must be positive"),
    ({"lr": float("nan")}, "lr must be positive"),
    ({"clip": -1.0}, "clip must be positive"),
    ({"warmup": -1}, "warmup"),
    ({"ema_decay": 1.0}, "ema_decay"),
    ({"precision": "fp16"}, "unknown precision"),
])
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(FmdiagError, match=message):
        train_small(**settings)


def test_network_of_another_shape_is_refused():
    with pytest.raises(FmdiagError, match="samples of shape .3.*rows of shape .2"):
        train(POINTS, {**SMALL, "shape": [3]}, steps=1)


def test_every_loss_returns_pairs_of_the_rows_shape():
    from fmdiag.paths import LinearPath

    x0, x1, t, rows = draw_batch(POINTS, 8, step_generator(0, 0))
    for loss in LOSSES.values():
        xt, target = loss(x0, x1, t, path=LinearPath(), training_set=POINTS, generator=step_generator(0, 0), rows=rows,
                          **({"pool_size": 2} if loss is LOSSES["efm"] else {}))
        assert xt.shape == target.shape == x1.shape


@pytest.mark.parametrize("shape, kind, name", [((2,), "auto", "mlp"), ((1, 8, 8), "auto", "unet2d"),
                                               ((3, 4, 4), "auto", "mlp"), ((3, 32, 32), "mlp", "mlp")])
def test_network_is_chosen_by_shape(shape, kind, name):
    spec = choose_network(shape, kind)
    assert spec["name"] == name and spec["shape"] == list(shape)


def test_paper_network_is_the_default_for_cifar():
    spec = choose_network((3, 32, 32))
    assert (spec["channels"], spec["layers"], spec["attention"]) == ([128, 256, 256, 256], 2, [16])


def test_network_without_attention_has_none_anywhere():
    spec = choose_network((1, 28, 28), channels=(8, 16), depth=1, attention=False)
    names = [name for name, _ in build_network(spec).named_modules()]
    assert spec["channels"] == [8, 16] and not any("to_q" in name for name in names)
    assert any("to_q" in name for name, _ in build_network({**spec, "middle": True}).named_modules())
    with pytest.raises(FmdiagError, match="mlp has none"):
        choose_network((2,), attention=False)
    with pytest.raises(FmdiagError, match="give one"):
        choose_network((1, 28, 28), width=8, channels=(8, 16))


@pytest.mark.parametrize("arguments, message", [(((2,), "unet2d"), "use mlp"), (((2,), "unet"), "unknown network")])
def test_network_that_does_not_fit_is_refused(arguments, message):
    with pytest.raises(FmdiagError, match=message):
        choose_network(*arguments)


def test_a_training_without_held_out_rows_warns_at_once():
    spec = {"name": "mlp", "shape": [2], "width": 8, "depth": 1}
    rows = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    with pytest.warns(FmdiagWarning, match="no rows are held out.*held_out=0.1"):
        train(TrainingSet(rows), spec, steps=1, precision="fp32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(TrainingSet(rows).split_held_out(0.1), spec, steps=1, precision="fp32")
