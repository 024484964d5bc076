"""Schedulers of diffusers: what our reading says a network means is what the scheduler's own sampler takes it for."""

import json

import diffusers
import oracle
import pytest
import torch
from diffusers.models.unets.unet_2d import UNet2DOutput
from test_conformance import EVEN, ROWS, agrees
from test_diffusers import transformer, unet

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.families.diffusers_schedulers import FLOW_MATCHING, VARIANCE_PRESERVING
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError

ROW = ROWS[:1].double()
OUTPUT = {"epsilon": "epsilon", "v_prediction": "v", "sample": "x1", "flow_prediction": "velocity"}
PAIRS = [(name, prediction) for name, predictions in VARIANCE_PRESERVING.items() for prediction in predictions]


def settings(name, prediction):
    flow = {"use_flow_sigmas": True, "flow_shift": 3.0} if prediction == "flow_prediction" else {}
    return {"prediction_type": prediction, "beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02, **flow}


def saved(folder, scheduler, network=None):
    (unet() if network is None else network).save_pretrained(folder / "unet")
    scheduler.save_pretrained(folder / "scheduler")
    return folder


def oracle_time(time, schedule):
    """Whole steps come as integers, as the oracle wants them; samplers pass them as floats too."""
    time = time.double()
    return time.long() if schedule == "ddpm" and bool((time == time.round()).all()) else time


def ideal(monkeypatch, schedule, output):
    def forward(self, sample, timestep, class_labels=None, return_dict=True):
        return UNet2DOutput(sample=oracle.answer(ROWS, sample, oracle_time(timestep, schedule), schedule, output))

    monkeypatch.setattr(diffusers.UNet2DModel, "forward", forward)


def walked(scheduler, schedule, output):
    """Return where the scheduler's own sampler ends with the ideal network of one row."""
    scheduler.set_timesteps(10)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROW.shape, generator=generator, dtype=torch.float64) * getattr(scheduler, "init_noise_sigma", 1.0)
    for step in scheduler.timesteps:
        point = scheduler.scale_model_input(x, step) if hasattr(scheduler, "scale_model_input") else x
        answer = oracle.answer(ROW, point, oracle_time(step, schedule), schedule, output)
        x = scheduler.step(answer, step, x).prev_sample.double()
    return x


@pytest.mark.parametrize("name, prediction", PAIRS)
@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")
def test_fault_1_1_every_listed_scheduler_takes_the_network_as_we_do(name, prediction, tmp_path, monkeypatch):
    scheduler = getattr(diffusers, name)(**settings(name, prediction))
    schedule = "sigma1000" if prediction == "flow_prediction" else "ddpm"
    # Its sampler lands on the only row there is where the output means what we say. PNDM stops at the noise of step 0,
    # which is 0.01, and fractions of times are cut off by some.
    end = walked(scheduler, schedule, OUTPUT[prediction])
    assert (end - ROW).abs().max() < 0.05, (end - ROW).abs().max()
    saved(tmp_path, scheduler)
    ideal(monkeypatch, schedule, OUTPUT[prediction])
    agrees(load_checkpoint(tmp_path), EVEN if schedule == "sigma1000" else EVEN[:-1])


@pytest.mark.parametrize("changes", [
    {"use_karras_sigmas": True}, {"use_exponential_sigmas": True}, {"timestep_spacing": "trailing"},
    {"steps_offset": 1}, {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    {"beta_schedule": "squaredcos_cap_v2"}, {"trained_betas": [0.001 * k for k in range(1, 101)],
                                             "num_train_timesteps": 100}, {"rescale_betas_zero_snr": True}])
def test_fault_1_1_settings_of_the_betas_are_the_classs_own(changes, tmp_path):
    scheduler = diffusers.UniPCMultistepScheduler(**changes)
    saved(tmp_path, scheduler)
    schedule = load_checkpoint(tmp_path).field.convention.schedule
    expected = torch.cumprod(1 - scheduler.betas.double(), 0).numpy()
    expected = expected[expected > 1e-12]
    assert len(schedule.abar) == len(expected) and abs(schedule.abar - expected).max() < 1e-12


@pytest.mark.parametrize("name", ["ScoreSdeVeScheduler", "KarrasVeScheduler", "EDMEulerScheduler", "LCMScheduler",
                                  "EDMDPMSolverMultistepScheduler", "CMStochasticIterativeScheduler", "TCDScheduler",
                                  "CogVideoXDDIMScheduler", "CogVideoXDPMScheduler", "IPNDMScheduler", "SCMScheduler",
                                  "FlowMatchLCMScheduler", "DDPMWuerstchenScheduler"])
def test_fault_1_1_other_schedulers_are_refused_by_name(name, tmp_path, capsys):
    saved(tmp_path, getattr(diffusers, name)())
    assert run(["checkpoint", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert name in said and "--model card.toml" in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("config", [{"_class_name": "NoSuchScheduler"}, {"_class_name": 3}, [], {},
                                    {"_class_name": "CosineDPMSolverMultistepScheduler"},
                                    {"_class_name": "DDPMScheduler", "trained_betas": [2.0, 3.0]},
                                    {"_class_name": "DDPMScheduler", "trained_betas": []},
                                    {"_class_name": "DDPMScheduler", "beta_schedule": "no such"},
                                    {"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"},
                                    {"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": True},
                                    {"_class_name": "UniPCMultistepScheduler", "prediction_type": "flow_prediction"},
                                    {"_class_name": "DDPMScheduler", "prediction_type": "flow_prediction"},
                                    {"_class_name": "PNDMScheduler", "prediction_type": "sample"}])
def test_fault_1_1_settings_that_were_not_checked_are_refused(config, tmp_path):
    saved(tmp_path, diffusers.DDPMScheduler())
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    with pytest.raises(FmdiagError, match="scheduler_config.json"):
        load_checkpoint(tmp_path)


def test_fault_1_1_the_card_that_is_advised_gives_the_network_of_a_refused_scheduler(tmp_path, monkeypatch):
    """A score network over sigma, as ScoreSdeVe has it: x^ = x1 + sigma x0, m(x^, sigma) = -x0 / sigma."""
    saved(tmp_path, diffusers.ScoreSdeVeScheduler())
    ideal(monkeypatch, "edm", "score")
    convention = '[convention]\nparameterisation = "score"\nsigma_min = 0.01\nsigma_max = 1348\n'
    (tmp_path / "card.toml").write_text(convention)
    checkpoint = load_checkpoint(tmp_path, model=tmp_path / "card.toml")
    agrees(checkpoint, EVEN)
    assert checkpoint.description["origin"]["schedule"] == "given"
    assert run(["checkpoint", str(tmp_path), "--model", str(tmp_path / "card.toml"), "--write-card",
                str(tmp_path / "again.toml")]) == 0
    agrees(load_checkpoint(tmp_path, model=tmp_path / "again.toml"), EVEN)


def test_fault_1_1_a_path_that_is_given_needs_no_scheduler(tmp_path, monkeypatch):
    saved(tmp_path, diffusers.FlowMatchLCMScheduler())
    ideal(monkeypatch, "sigma1000", "velocity")
    agrees(load_checkpoint(tmp_path, path_name="linear", time_direction="data-to-noise", time_scale=1000), EVEN)


@pytest.mark.parametrize("name", FLOW_MATCHING)
def test_flow_matching_samplers_take_the_network_as_we_do(name, tmp_path, monkeypatch):
    scheduler = getattr(diffusers, name)(shift=3.0)
    assert (walked(scheduler, "sigma1000", "velocity") - ROW).abs().max() < 1e-5
    saved(tmp_path, scheduler)
    ideal(monkeypatch, "sigma1000", "velocity")
    agrees(load_checkpoint(tmp_path), EVEN)


def test_fault_2_28_inverted_sigmas_are_honoured(tmp_path, monkeypatch):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True)
    monkeypatch.setitem(oracle.SCHEDULES, "forward1000", lambda t: oracle.linear(t / 1000))
    assert (walked(scheduler, "forward1000", "velocity") - ROW).abs().max() < 1e-5
    saved(tmp_path, scheduler)
    ideal(monkeypatch, "forward1000", "velocity")
    checkpoint = load_checkpoint(tmp_path)
    agrees(checkpoint, EVEN)
    assert checkpoint.description["time"] == "model time = 1000 t, noise-to-data"


def sd3():
    return diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=16, caption_projection_dim=16, pooled_projection_dim=16, out_channels=4,
        pos_embed_max_size=8)


def aura_flow():
    return diffusers.AuraFlowTransformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_mmdit_layers=1, num_single_dit_layers=1, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=16, caption_projection_dim=16, out_channels=4, pos_embed_max_size=16)


def flux():
    return diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=(4, 4, 8))


CONDITIONED = {"SD3": (sd3, "pooled_projections"), "AuraFlow": (aura_flow, "encoder_hidden_states"),
               "Flux": (flux, "encoder_hidden_states")}


@pytest.mark.parametrize("name", CONDITIONED)
@pytest.mark.parametrize("command", [["checkpoint"], ["error", "--dataset", "digits"],
                                     ["memorization", "--dataset", "digits"]])
def test_fault_1_10_networks_that_need_conditions_are_refused(name, command, tmp_path, capsys, monkeypatch):
    build, condition = CONDITIONED[name]
    torch.manual_seed(0)
    build().save_pretrained(tmp_path / "theirs" / "transformer")
    diffusers.FlowMatchEulerDiscreteScheduler().save_pretrained(tmp_path / "theirs" / "scheduler")
    monkeypatch.chdir(tmp_path)
    assert run([command[0], "theirs", *command[1:]]) == 2
    said = capsys.readouterr().err
    assert condition in said and "--model card.toml" in said and len(said.splitlines()) == 1


def test_fault_1_10_the_wrapper_that_is_advised_is_measured(tmp_path):
    torch.manual_seed(0)
    sd3().save_pretrained(tmp_path / "sd3")
    (tmp_path / "wrapped.py").write_text("""import torch
from diffusers import SD3Transformer2DModel
class Fixed(torch.nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.network = SD3Transformer2DModel.from_pretrained(folder)
    def forward(self, x, t):
        text, pooled = torch.zeros(len(x), 3, 16), torch.zeros(len(x), 16)
        return self.network(x, text, pooled, t).sample
""")
    scope = {}
    exec((tmp_path / "wrapped.py").read_text(), scope)
    torch.save(scope["Fixed"](tmp_path / "sd3").state_dict(), tmp_path / "wrapped.pt")
    (tmp_path / "card.toml").write_text(f"""family = "module"
factory = "wrapped.py:Fixed"
[arguments]
folder = "{tmp_path / 'sd3'}"
[convention]
time_direction = "data-to-noise"
time_scale = 1000
""")
    checkpoint = load_checkpoint(tmp_path / "wrapped.pt", model=tmp_path / "card.toml")
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    network = scope["Fixed"](tmp_path / "sd3").eval()
    with torch.no_grad():
        expected = -network(x, torch.full((2,), 750.0))
    torch.testing.assert_close(checkpoint.field(x, 0.25), expected, atol=1e-5, rtol=1e-4)


def test_fault_1_10_a_network_of_other_arguments_is_refused(tmp_path):
    network = diffusers.UNet1DModel(sample_size=16, in_channels=2, out_channels=2, block_out_channels=(8, 8),
                                    down_block_types=("DownBlock1D", "DownBlock1D"), extra_in_channels=0,
                                    up_block_types=("UpBlock1D", "UpBlock1D"))
    network.save_pretrained(tmp_path / "curve")
    with pytest.raises(FmdiagError, match="UNet1DModel"):
        load_checkpoint(tmp_path / "curve")
    saved(tmp_path / "wide", diffusers.DDPMScheduler(), unet(in_channels=6))
    with pytest.raises(FmdiagError, match="3 channels of 6.*--model card.toml"):
        load_checkpoint(tmp_path / "wide")
    saved(tmp_path / "embedded", diffusers.DDPMScheduler(), unet(class_embed_type="timestep"))
    with pytest.raises(FmdiagError, match="class embeddings of type 'timestep'"):
        load_checkpoint(tmp_path / "embedded")
    diffusers.AutoencoderKL(block_out_channels=(8,), norm_num_groups=4).save_pretrained(tmp_path / "vae_alone")
    with pytest.raises(FmdiagError, match="takes no timestep"):
        load_checkpoint(tmp_path / "vae_alone")


def test_the_first_dit_class_has_a_label_for_none_too(tmp_path):
    torch.manual_seed(0)
    network = diffusers.Transformer2DModel(
        num_attention_heads=2, attention_head_dim=4, in_channels=3, out_channels=6, num_layers=1, sample_size=8,
        patch_size=2, num_embeds_ada_norm=10, norm_type="ada_norm_zero", norm_elementwise_affine=False,
        activation_fn="gelu-approximate", attention_bias=True)
    network.save_pretrained(tmp_path / "transformer")
    diffusers.DDIMScheduler().save_pretrained(tmp_path / "scheduler")
    assert transformer().config.num_embeds_ada_norm == 10
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.description["class_label"] == 10
    assert checkpoint.field(torch.zeros(2, 3, 8, 8), 0.5).isfinite().all()


def gaussian(x, time, schedule, variance=0.25):
    """Return what an ideal network of data N(0, variance) returns: its field is linear in x, and no step is exact."""
    alpha, sigma, d_alpha, d_sigma = oracle.SCHEDULES[schedule](oracle_time(time.reshape(-1), schedule))
    alpha, sigma = alpha.reshape(-1, 1, 1, 1), sigma.reshape(-1, 1, 1, 1)
    mean = alpha * variance / (alpha**2 * variance + sigma**2) * x.double()
    noise = (x - alpha * mean) / sigma
    return noise - mean if schedule == "sigma1000" else noise


@pytest.mark.parametrize("scheduler, schedule", [
    (diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), "sigma1000"),
    (diffusers.FlowMatchEulerDiscreteScheduler(use_karras_sigmas=True), "sigma1000"),
    # A step of DDIM holds epsilon and the estimate of x1: it is Euler's on the straight path.
    (diffusers.DDIMScheduler(clip_sample=False, timestep_spacing="trailing"), "ddpm")])
def test_fault_2_29_samples_at_the_schedulers_times_are_its_own(scheduler, schedule, tmp_path, monkeypatch):
    from fmdiag.sampling import sample

    saved(tmp_path, scheduler)
    monkeypatch.setattr(diffusers.UNet2DModel, "forward", lambda self, sample, timestep, class_labels=None, return_dict=
                        True: UNet2DOutput(sample=gaussian(sample, timestep, schedule)))
    checkpoint = load_checkpoint(tmp_path)
    times = checkpoint.field.foreign.times(10)
    assert len(times) == 11 and times[-1] == 1 and all(a < b for a, b in zip(times, times[1:], strict=False))
    noise = torch.randn(6, *oracle.SHAPE, generator=torch.Generator().manual_seed(0))
    ours, x = sample(checkpoint.field, noise, times=times), noise.double()
    scheduler.set_timesteps(10)
    for step in scheduler.timesteps:
        x = scheduler.step(gaussian(x, step, schedule), step, x).prev_sample.double()
    even = sample(checkpoint.field, noise, 10)
    assert (ours - x).abs().max() < 2e-5 and (even - x).abs().max() > 0.005
    said = [text.partition(":")[0] for text in checkpoint.description["warnings"]]
    assert ("scheduler-times" in said) == (schedule == "sigma1000")


def test_fault_2_29_the_option_draws_at_the_schedulers_times(tmp_path, monkeypatch, capsys):
    import numpy as np

    from fmdiag.results import load_run

    saved(tmp_path / "theirs", diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0))
    ideal(monkeypatch, "sigma1000", "velocity")
    np.save(tmp_path / "rows.npy", ROWS.numpy())
    np.save(tmp_path / "held_out.npy", oracle.points(seed=9).numpy())
    words = ["memorization", str(tmp_path / "theirs"), "--dataset", str(tmp_path / "rows.npy"), "--held-out",
             str(tmp_path / "held_out.npy"), "--n-samples", "8", "--n-steps", "10", "--out"]
    with pytest.warns(UserWarning):
        assert run([*words, str(tmp_path / "even")]) == 0
        assert run([*words, str(tmp_path / "theirs_times"), "--times-of-scheduler"]) == 0
    found = load_run(tmp_path / "theirs_times")
    assert found["diagnostics"]["memorization"]["solver"].endswith("at the scheduler's times")
    assert "--times-of-scheduler" in found["diagnostics"]["memorization"]["command"]
    capsys.readouterr()
    saved(tmp_path / "dynamic", diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True))
    words[1] = str(tmp_path / "dynamic")
    assert run([*words, str(tmp_path / "no"), "--times-of-scheduler"]) == 2
    assert "gives no times for 10 steps" in capsys.readouterr().err and not (tmp_path / "no").exists()
    assert run(["memorization", "--n-samples", "8", "--times-of-scheduler", "--out", str(tmp_path / "no"),
                str(bundled())]) == 2
    assert "has no scheduler beside its network" in capsys.readouterr().err


def bundled():
    from fmdiag.checkpoints import bundled_checkpoint

    return bundled_checkpoint()


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.5], [0.5, 0.5, 1.0], [-0.1, 1.0]])
def test_times_of_samples_are_checked(times):
    from fmdiag.sampling import sample

    with pytest.raises(FmdiagError, match="times must increase"):
        sample(lambda x, t: 0 * x, torch.zeros(2, 3), times=times)


def test_one_step_at_the_schedulers_times_goes_to_the_data(tmp_path, monkeypatch):
    from fmdiag.sampling import sample

    saved(tmp_path, diffusers.DDIMScheduler(timestep_spacing="trailing"))
    monkeypatch.setattr(diffusers.UNet2DModel, "forward", lambda self, sample, timestep, class_labels=None, return_dict=
                        True: UNet2DOutput(sample=oracle.answer(ROW, sample, timestep, "ddpm", "epsilon")))
    field = load_checkpoint(tmp_path).field
    times = field.foreign.times(1)
    assert len(times) == 2
    assert (sample(field, torch.randn(2, *oracle.SHAPE), times=times) - ROW).abs().max() < 0.01
