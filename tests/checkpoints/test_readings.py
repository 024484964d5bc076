"""A reading is a hypothesis: the right one fits its training rows, a wrong one is refused with what would fit.

The networks are û* of a few points in their family's own terms (see oracle.py), so that every loss is known: the right
reading has û*'s, any other another one.
"""

import numpy as np
import oracle
import pytest
import torch
from test_conformance import CASES, ROWS, card, save, state, torchcfm_unet

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.foreign import Foreign, ForeignField
from fmdiag.checkpoints.other_readings import better_reading
from fmdiag.checkpoints.reading_points import QUARTERS
from fmdiag.checkpoints.schedules import EDMSchedule, PathSchedule, ddpm_schedule
from fmdiag.cli.main import run
from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, LinearPath
from fmdiag.results import load_run

RAW = oracle.points(n=12, scale=0.6)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(file, ROWS.numpy())
    return file


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:.*runs the code:fmdiag.errors.FmdiagWarning")
def test_the_right_reading_of_every_family_passes(name, rows, tmp_path, monkeypatch):
    file, options, _ = CASES[name](tmp_path, monkeypatch)
    checkpoint = load_checkpoint(file, **options)
    checkpoint.training_set(rows, hflip=False)
    tested = checkpoint.description["reading"]
    assert tested["settled"] and len(tested["loss"]) == len(QUARTERS)
    assert max(tested["loss"]) < 0.1 < 1 < min(tested["zero_field"])


def test_losses_are_those_of_u_star_and_of_the_zero_field(rows, tmp_path):
    """1 + E x1^2 per coordinate for 0; for û*, ½ c_t times the variance of the posterior, here by its own error."""
    checkpoint = load_checkpoint(save(state(ROWS), tmp_path), model=card(tmp_path, schedule="linear"))
    training_set = checkpoint.training_set(rows)
    tested = checkpoint.description["reading"]
    assert tested["zero_field"] == pytest.approx([1 + ROWS.square().mean().item()] * 4, rel=0.02)
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(4000, *oracle.SHAPE, generator=generator).double()
    x1 = ROWS[torch.randint(len(ROWS), (4000,), generator=generator)].double()
    for (low, high), found in zip(QUARTERS, tested["loss"], strict=True):
        t = low + (high - low) * torch.rand(4000, generator=generator).double()
        s = t[:, None, None, None]
        u = ClosedFormField(training_set, LinearPath())(((1 - s) * x0 + s * x1)[:400], t[:400])
        assert found == pytest.approx((u - (x1 - x0)[:400]).square().mean().item(), abs=0.02)


NATIVE = {
    "linear velocity": ("linear", "velocity", Convention(PathSchedule(LinearPath()))),
    "1000 (1 - t) velocity": ("sigma1000", "velocity", Convention(PathSchedule(LinearPath()), "velocity",
                                                                  "data-to-noise", 1000.0)),
    "cosine velocity": ("cosine", "velocity", Convention(PathSchedule(CosinePath()))),
    "ddpm epsilon": ("ddpm", "epsilon", Convention(ddpm_schedule(), "epsilon")),
    "edm x1": ("edm", "x1", Convention(EDMSchedule(), "x1")),
}


def field(name, read_as):
    """Return the ideal network of one convention, read as another."""
    schedule, output, _ = NATIVE[name]

    def call(module, x, time, labels):
        return oracle.answer(RAW, x, time, schedule, output)

    return ForeignField(Foreign("module", torch.nn.Identity(), call, NATIVE[read_as][2]))


@pytest.mark.parametrize("name, read_as", [(a, b) for a in NATIVE for b in NATIVE if a != b])
def test_fault_1_19_a_wrong_reading_is_refused_or_said_with_the_right_one(name, read_as, monkeypatch):
    from fmdiag.checkpoints.checkpoint import Checkpoint
    from fmdiag.checkpoints.readings import check_reading

    description = {"family": "module", "warnings": [], "coupling": "independent"}
    checkpoint = Checkpoint(field(name, read_as), description, LinearPath(), "their.pt", "")
    if name == "1000 (1 - t) velocity" or "v" not in read_as:
        monkeypatch.setitem(oracle.SCHEDULES, "ddpm", clamped)
    with pytest.raises((FmdiagError, FmdiagWarning)) as caught:
        check_reading(checkpoint, TrainingSet(RAW.numpy()))
    words = str(caught.value)
    right = NATIVE[name][2]
    if name.endswith("x1"):
        assert "--parameterisation=x1" in words or "--path edm" in words or "in another reading" in words, words
    elif right.parameterisation != NATIVE[read_as][2].parameterisation:
        assert f"--parameterisation={right.parameterisation}" in words, words


def clamped(step):
    """DDPM's schedule for a network that is asked beyond its steps too, as embeddings of frequencies allow."""
    step = step.clamp(0, 999)
    return oracle.discrete("linear")(step.long() if bool((step == step.round()).all()) else step)


def test_what_is_advised_fits(rows, tmp_path):
    """Every word of the advice is an option that the command has, and with them the reading is settled."""
    file = save(state(ROWS), tmp_path)
    words = [str(file), "--dataset", str(rows), "--model", str(card(tmp_path, schedule="sigma1000"))]
    with pytest.raises(FmdiagError, match="fits its training examples worse than no network at all") as caught:
        load_checkpoint(file, model=words[-1]).training_set(rows)
    advice = str(caught.value).partition("; ")[2].partition(" fits better")[0]
    assert "--time-direction data-to-noise" in advice and "--time-scale 1000" in advice
    assert run(["checkpoint", *words, *advice.split()]) == 0


def test_fault_1_19_a_wrong_family_is_refused_by_every_command(rows, tmp_path, monkeypatch, capsys):
    """guided-diffusion's U-Net returns epsilon at steps; the family torchcfm takes it for a velocity at t."""
    unet = torchcfm_unet()
    network = unet(image_size=8, in_channels=3, model_channels=32, out_channels=3, num_res_blocks=1,
                   attention_resolutions=[], channel_mult=[1, 1])
    monkeypatch.setattr(unet, "forward", lambda self, t, x, y=None: oracle.answer(ROWS, x, clamp_time(t), "ddpm",
                                                                                 "epsilon"))
    file = save(network.state_dict(), tmp_path)
    monkeypatch.chdir(tmp_path)
    for command in ("error", "memorization", "checkpoint", "alignment"):
        words = [command, str(file), "--family", "torchcfm", "--dataset", str(rows)]
        assert run(words) == 2
        said = capsys.readouterr().err
        assert "--path ddpm --parameterisation=epsilon fits better" in said and len(said.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["their.pt"]
    assert run(["checkpoint", str(file), "--family", "torchcfm", "--dataset", str(rows), "--path", "ddpm",
                "--parameterisation=epsilon"]) == 0
    said = capsys.readouterr().out
    assert "reading       CFM loss along time" in said


def clamp_time(t):
    t = t.double().clamp(0, 999)
    return t.long() if bool((t == t.round()).all()) else t


@pytest.mark.filterwarnings("ignore:.*trajectories diverged:fmdiag.errors.FmdiagWarning")  # of the wrong sign
def test_accepting_a_reading_measures_it_and_says_so(rows, tmp_path):
    file, model = save(state(ROWS), tmp_path), card(tmp_path, schedule="backward")
    words = ["error", str(file), "--dataset", str(rows), "--model", str(model), "--n-pairs", "4", "--times", "0.5"]
    with pytest.warns(FmdiagWarning, match="accepted-reading: read as module .*--time-direction data-to-noise"):
        assert run([*words, "--accept-reading", "--out", str(tmp_path / "run")]) == 0
    assert load_run(tmp_path / "run")["checkpoint"]["warnings"][-1].startswith("accepted-reading: ")
    with pytest.warns(FmdiagWarning, match="accepted-reading"):
        load_checkpoint(file, model=model).training_set(rows, accept_reading=True)


def small(seed=0, out=None):
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(3, 64), torch.nn.SiLU(), torch.nn.Linear(64, 2))
    if out is not None:
        torch.nn.init.zeros_(network[2].weight), torch.nn.init.zeros_(network[2].bias)
    return network


class Flow(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, t):
        return self.network(torch.cat([x, t[:, None]], 1))


def wrapped(network, **options):
    return ForeignField(Foreign("module", Flow(network), lambda m, x, t, y: m(x, t),
                                Convention(PathSchedule(LinearPath()), **options)))


def outcome(field, training_set, coupling="independent", **options):
    from fmdiag.checkpoints.checkpoint import Checkpoint
    from fmdiag.checkpoints.readings import check_reading

    description = {"family": "module", "warnings": [], "coupling": coupling}
    check_reading(Checkpoint(field, description, LinearPath(), "their.pt", ""), training_set, **options)
    return description["reading"]


def trained(rows, steps=300):
    network, generator = small(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        x1 = rows[torch.randint(len(rows), (128,), generator=generator)]
        x0, t = torch.randn(128, 2, generator=generator), torch.rand(128, 1, generator=generator)
        loss = (network(torch.cat([(1 - t) * x0 + t * x1, t], 1)) - (x1 - x0)).square().mean()
        optimizer.zero_grad(), loss.backward(), optimizer.step()
    return network


def test_a_small_network_that_was_trained_passes_and_an_untrained_one_is_named_so():
    rows = torch.randn(400, 2, generator=torch.Generator().manual_seed(1)) * 0.5 + torch.tensor([1.0, -1.0])
    training_set = TrainingSet(rows.numpy())
    assert outcome(wrapped(trained(rows)), training_set)["settled"]
    assert outcome(wrapped(small(out=0)), training_set)["settled"]  # exactly 0 is not worse than 0
    torch.manual_seed(3)
    noisy = torch.nn.Sequential(torch.nn.Linear(3, 64), torch.nn.SiLU(), torch.nn.Linear(64, 2))
    torch.nn.init.normal_(noisy[2].weight, std=1.0)
    with pytest.raises(FmdiagError, match="untrained or diverged.*--accept-reading"):
        outcome(wrapped(noisy), training_set)


@pytest.mark.parametrize("schedule, output", [(ddpm_schedule(), "epsilon"), (EDMSchedule(), "x1")])
def test_diffusion_networks_that_were_trained_for_a_second_pass(schedule, output):
    """Errors of epsilon over t and of x1 over 1 - t are largest near the ends, and largest where training was short."""
    torch.manual_seed(0)
    training_set = load_dataset("digits")
    rows, network = training_set[:], torch.nn.Sequential(
        torch.nn.Linear(80, 128), torch.nn.SiLU(), torch.nn.Linear(128, 128), torch.nn.SiLU(), torch.nn.Linear(128, 64))

    def call(module, x, time, labels):
        level = torch.log1p(time)[:, None] * 2.0 ** torch.arange(8)
        return network(torch.cat([x.flatten(1) / x.flatten(1).std(1, keepdim=True), level.sin(), level.cos()], 1)
                       ).reshape(x.shape)

    field = ForeignField(Foreign("module", network, call, Convention(schedule, output)))
    generator, optimizer = torch.Generator().manual_seed(0), torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(500):
        x1 = rows[torch.randint(len(rows), (128,), generator=generator)]
        x0, t = torch.randn(x1.shape, generator=generator), 0.02 + 0.96 * torch.rand(128, generator=generator).double()
        position, s = field.convention.schedule.at(t), t[:, None, None, None]
        point = field.convention.native_point((1 - s) * x0 + s * x1, position).float()
        target = x0 if output == "epsilon" else x1
        loss = (call(None, point, field.convention.model_time(position), None) - target).square().mean()
        optimizer.zero_grad(), loss.backward(), optimizer.step()
    assert outcome(field, training_set)["settled"]


def test_pairs_of_optimal_transport_are_no_wrong_reading():
    """From N(0, I) to N(0, k^2 I) the transport is k x: worse than 0 for independent pairs near t = 0."""
    rows = 1.5 * torch.randn(3000, 4, generator=torch.Generator().manual_seed(1))

    def call(module, x, t, labels):
        return 0.5 * x / (1 + 0.5 * t[:, None])

    transport = ForeignField(Foreign("module", torch.nn.Identity(), call, Convention(PathSchedule(LinearPath()))))
    assert outcome(transport, TrainingSet(rows.numpy()), coupling="ot")["settled"]
    with pytest.raises(FmdiagError, match="--coupling ot fits"):
        outcome(transport, TrainingSet(rows.numpy()))


def test_two_readings_that_fit_equally_are_both_named():
    """û* of N(0, I) changes sign with t -> 1 - t: a network that adds c (2 t - 1)^2 is as far from it read backward.

    As a velocity from noise to data it is û* + c (2 t - 1)^2, from data to noise û* - c (2 t - 1)^2.
    """
    rows = torch.randn(3000, 64, generator=torch.Generator().manual_seed(1))

    def call(module, x, t, labels):
        t = t[:, None]
        return (2 * t - 1) / (t**2 + (1 - t) ** 2) * x + 0.5 * (2 * t - 1) ** 2

    def network(**options):
        return ForeignField(Foreign("module", torch.nn.Identity(), call, Convention(PathSchedule(LinearPath()),
                                                                                    **options)))

    with pytest.warns(FmdiagWarning, match="equal-reading.*fit as well by --time-direction data-to-noise: say") as said:
        outcome(network(), TrainingSet(rows.numpy()))
    assert len(said) == 1
    with pytest.raises(FmdiagError, match=" fits better.* there.: give that") as caught:
        outcome(network(time_scale=0.5, parameterisation="x1"), TrainingSet(rows[:, :2].numpy()))
    assert " or " in str(caught.value).partition(" fits better")[0]


def test_a_narrow_schedule_is_tested_where_it_reaches():
    schedule = EDMSchedule(sigma_min=1.5, sigma_max=4.0)  # t from .2 to .4

    def call(module, x, sigma, labels):
        return oracle.answer(RAW, x, sigma, "edm", "x1")

    convention = Convention(schedule, "x1")
    found = outcome(ForeignField(Foreign("module", torch.nn.Identity(), call, convention)), TrainingSet(RAW.numpy()))
    assert found["settled"] and [loss is None for loss in found["loss"]] == [False, False, True, True]


def test_native_checkpoints_are_not_tested():
    from fmdiag.checkpoints import bundled_checkpoint

    checkpoint = load_checkpoint(bundled_checkpoint())
    checkpoint.training_set()
    assert "reading" not in checkpoint.description


def test_the_bundled_network_passes_as_a_stranger():
    """It is a velocity on the straight path, 8-bit digits, trained to memorize and on half of them."""
    from fmdiag.checkpoints import bundled_checkpoint

    native = load_checkpoint(bundled_checkpoint())
    module = native.field.module
    stranger = ForeignField(Foreign("module", module, lambda m, x, t, y: m(x, t), Convention(
        PathSchedule(LinearPath()))))
    found = outcome(stranger, native.training_set())
    assert found["settled"]
    backward = ForeignField(Foreign("module", module, lambda m, x, t, y: m(x, t), Convention(
        PathSchedule(LinearPath()), "velocity", "data-to-noise")))
    with pytest.raises(FmdiagError, match="--time-direction noise-to-data fits better"):
        outcome(backward, native.training_set())
    assert better_reading(stranger, native.training_set()).options == ""


def test_fault_1_2_a_time_scale_that_is_not_the_networks_is_said(rows, tmp_path):
    """Asked at t where it wants 999 t, a network is better than 0 everywhere, and yet another one."""
    file, model = save(state(ROWS), tmp_path), card(tmp_path, schedule="999")
    with pytest.warns(FmdiagWarning, match="wrong-reading.*--time-scale 1000"):
        checkpoint = load_checkpoint(file, model=model)
        checkpoint.training_set(rows)
    assert not checkpoint.description["reading"]["settled"]
