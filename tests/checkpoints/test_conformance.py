"""Every family: the exact posterior mean in its native call, time and output, in its file layout, comes out as û*.

Tolerance: û* is compared in float64; times are passed in float32 (relative error 6e-8), which û* multiplies by at most
1 / (1 - t) = 50, so that 1e-5 of its largest value holds where the conversion is right.
"""

import argparse
import importlib.util
import pickle
import sys
import warnings
from functools import partial
from pathlib import Path

import oracle
import pytest
import safetensors.torch
import torch

from fmdiag.checkpoints import card_of, load_checkpoint, relocated, write_card
from fmdiag.checkpoints.families.guided_unet import network_class
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagWarning
from fmdiag.fields import ClosedFormField
from fmdiag.paths import LinearPath

pytestmark = pytest.mark.filterwarnings("ignore:.*runs the code:fmdiag.errors.FmdiagWarning")  # programs

ROWS = oracle.points()
WRONG = oracle.points(seed=1)  # where a family keeps raw weights beside averaged ones, the raw ones are these
EVEN = [3 * k / 64 for k in range(1, 21)]  # exact in float32
STEPS = [round(k * 999 / 19) for k in range(20)]


def steps_as_times(kind):
    import numpy as np

    abar = np.cumprod(1 - oracle.betas(kind))[STEPS]
    return (np.sqrt(abar) / (np.sqrt(abar) + np.sqrt(1 - abar))).tolist()


def u_star():
    return ClosedFormField(TrainingSet(ROWS.numpy()), LinearPath())


def agrees(checkpoint, times):
    generator = torch.Generator().manual_seed(3)
    for t in times:
        x1 = ROWS[torch.randint(len(ROWS), (6,), generator=generator)].double()
        x = (1 - t) * torch.randn(6, *oracle.SHAPE, generator=generator).double() + t * x1
        expected = u_star()(x, torch.full((6,), t, dtype=torch.float64))
        found = checkpoint.field(x, torch.full((6,), t, dtype=torch.float64))
        worst = (found - expected).abs().max().item() / expected.abs().max().item()
        assert worst < 1e-5, f"t = {t}: {worst}"


def card(folder, *, family=None, convention="", extra="", **arguments):
    lines = ['factory = "oracle:build"', *([f'family = "{family}"'] if family else []), extra,
             "[arguments]", *(f'{key} = "{value}"' for key, value in arguments.items()), "[convention]", convention]
    (folder / "card.toml").write_text("\n".join(lines))
    return folder / "card.toml"


def state(rows, prefix=""):
    return {f"{prefix}points": rows}


def save(content, folder):
    torch.save(content, folder / "their.pt")
    return folder / "their.pt"


def torchcfm_unet():
    if importlib.util.find_spec("torchcfm") is None:
        pytest.skip("torchcfm is not installed")
    return network_class()


# Each returns (path, options of load_checkpoint, times at which it must agree).
def torchcfm_example(folder, monkeypatch):
    unet = torchcfm_unet()
    network = sys.modules[unet.__module__].UNetModelWrapper(
        dim=(3, 8, 8), num_channels=32, num_res_blocks=1, channel_mult=[1, 2], attention_resolutions="4", dropout=0.1)
    monkeypatch.setattr(unet, "forward",
                        lambda self, t, x, y=None: oracle.answer(ROWS, x, t, "linear", "velocity"))
    weights = {f"module.{name}": w for name, w in network.state_dict().items()}
    content = {"net_model": weights, "ema_model": weights, "sched": {}, "optim": {}, "step": 7}
    return save(content, folder), {}, EVEN


def torchcfm_si(folder, monkeypatch):
    content = {"net_model": state(WRONG), "ema_model": state(ROWS), "step": 1}
    model = card(folder, schedule="cosine", order="tx")
    return save(content, folder), {"model": model, "path_name": "cosine"}, EVEN


def flow_matching_example(folder, monkeypatch):
    unet = torchcfm_unet()
    network = unet(image_size=8, in_channels=3, model_channels=32, out_channels=3, num_res_blocks=2,
                             attention_resolutions=[2], channel_mult=[1, 1], conv_resample=False,
                             use_scale_shift_norm=True)
    monkeypatch.setattr(unet, "forward",
                        lambda self, t, x, y=None: oracle.answer(ROWS, x, t, "linear", "velocity"))
    shadow = {f"shadow_params.{k}": p for k, p in enumerate(network.parameters())}
    model = {**{f"model.{k}": w for k, w in network.state_dict().items()}, **shadow, "num_updates": torch.tensor(3)}
    content = {"model": model, "optimizer": {}, "lr_schedule": {}, "epoch": 2, "scaler": {},
               "args": argparse.Namespace(dataset="cifar10", skewed_timesteps=True)}
    return save(content, folder), {}, EVEN


def flow_matching_library(folder, monkeypatch, scheduler, path_name, **arguments):
    paths = pytest.importorskip("flow_matching.path.scheduler", reason="flow_matching is not installed")
    schedule = getattr(paths, scheduler)(**arguments)

    def native(t):
        found = schedule(t)
        return found.alpha_t, found.sigma_t, found.d_alpha_t, found.d_sigma_t

    monkeypatch.setitem(oracle.SCHEDULES, "theirs", native)
    (folder / "wrapped.py").write_text(f"""import sys
import warnings
sys.path.insert(0, {str(oracle.__file__).rsplit('/', 1)[0]!r})
import oracle
from flow_matching.utils import ModelWrapper
class Inner(oracle.Network):
    def forward(self, x, t): return super().forward(x, t)
def build(): return ModelWrapper(Inner("theirs"))
""")
    (folder / "card.toml").write_text('factory = "wrapped.py:build"\nweights_key = "weights"\n')
    # Our times of equal noise level, of native times that are exact in float32.
    found = schedule(torch.tensor(EVEN, dtype=torch.float64))
    times = (found.alpha_t / (found.alpha_t + found.sigma_t)).tolist()
    # Not those below the least level of VP, nor those where a cubic path hardly moves.
    times = [t for t in times if t > {"vp": 0.01, "polynomial:3.0": 0.001}.get(path_name, 0)]
    options = {"model": folder / "card.toml", "path_name": path_name}
    return save({"weights": state(ROWS, "model.")}, folder), options, times


def rectified_flow(folder, monkeypatch):
    content = {"optimizer": {}, "model": state(WRONG, "module."), "step": 9,
               "ema": {"decay": 0.999, "num_updates": 9, "shadow_params": [ROWS]}}
    return save(content, folder), {"model": card(folder, family="rectified_flow", schedule="999")}, EVEN


def score_sde(folder, monkeypatch, schedule, output, convention):
    """The VP models are asked at 999 t and return the noise, the VE ones at sigma and return the score."""
    content = {"optimizer": {}, "model": state(WRONG, "module."), "step": 9,
               "ema": {"decay": 0.9999, "num_updates": 9, "shadow_params": [ROWS]}}
    return save(content, folder), {"model": card(folder, convention=convention, schedule=schedule, output=output)}, EVEN


def sit(folder, monkeypatch, path_type, prediction, schedule, output):
    arguments = argparse.Namespace(path_type=path_type, prediction=prediction)
    content = {"model": state(WRONG), "ema": state(ROWS), "opt": {}, "args": arguments}
    return save(content, folder), {"model": card(folder, family="sit", schedule=schedule, output=output)}, EVEN


def mean_flow(folder, monkeypatch):
    model = card(folder, extra='call = "x, r, t"', convention='time_direction = "data-to-noise"', schedule="backward",
                 order="xrt")
    return save({"model": state(WRONG), "ema": state(ROWS), "opt": {}, "steps": 1}, folder), {"model": model}, EVEN


def guided(folder, monkeypatch):
    model = card(folder, family="guided_diffusion", schedule="ddpm", output="epsilon+variance")
    return save(state(ROWS), folder), {"model": model}, steps_as_times("linear")


def minrf(folder, monkeypatch):
    return save(state(ROWS), folder), {"model": card(folder, family="minrf", schedule="backward")}, EVEN


def lightningdit(folder, monkeypatch):
    content = {"model": state(WRONG), "ema": state(ROWS), "opt": {}, "config": {"model": {"use_rope": True}}}
    return save(content, folder), {"model": card(folder, family="lightningdit")}, EVEN


def denoising_diffusion(folder, monkeypatch, output):
    """The process's buffers lie beside the weights; the loss's weights are those of the output."""
    abar = torch.from_numpy(oracle.betas("linear")).neg().add(1).cumprod(0)
    snr = abar / (1 - abar)
    weights = {"epsilon": torch.ones_like(snr), "x1": snr, "v": snr / (snr + 1)}[output]
    process = {name: value.float() for name, value in {
        "alphas_cumprod": abar, "sqrt_recipm1_alphas_cumprod": snr.rsqrt(), "posterior_mean_coef1": abar,
        "posterior_mean_coef2": abar, "loss_weight": weights}.items()}
    raw, averaged = ({**process, **state(rows, "model.")} for rows in (WRONG, ROWS))
    ema = {"initted": torch.tensor(True), "step": torch.tensor(9),
           **{f"online_model.{name}": w for name, w in raw.items()},
           **{f"ema_model.{name}": w for name, w in averaged.items()}}
    content = {"step": 9, "model": raw, "opt": {}, "ema": ema, "scaler": None, "version": "2.3.4"}
    return save(content, folder), {"model": card(folder, schedule="ddpm", output=output)}, steps_as_times("linear")


def rectified_flow_pytorch(folder, monkeypatch):
    ema = {"initted": torch.tensor(True), "step": torch.tensor(9), **state(WRONG, "online_model.model."),
           **state(ROWS, "ema_model.model.")}
    content = {"model": state(WRONG, "model."), "ema_model": ema, "optimizer": {"state": {}}}
    return save(content, folder), {"model": card(folder)}, EVEN


def k_diffusion(folder, monkeypatch):
    """Its file holds the network within a Denoiser D = c_skip x + c_out F(c_in x, log(sigma) / 4)."""
    (folder / "weights_denoiser.py").write_text(f"""import sys
sys.path.insert(0, {str(Path(oracle.__file__).parent)!r})
import oracle, torch
def scales(sigma, data=0.5):
    n = sigma ** 2 + data ** 2
    return data ** 2 / n, sigma * data / n.sqrt(), n.rsqrt()
class Inner(oracle.Network):
    def forward(self, x, c_noise):
        sigma = (4 * c_noise).exp()
        skip, out, scale = (v.reshape(-1, 1, 1, 1) for v in scales(sigma))
        return (super().forward(x / scale, sigma) - skip * x / scale) / out
class Denoiser(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner_model = Inner("edm", "x1")
    def forward(self, x, sigma):
        skip, out, scale = (v.reshape(-1, 1, 1, 1) for v in scales(sigma.double()))
        return skip * x + out * self.inner_model(x.double() * scale, sigma.double().log() / 4)
""")
    text = card(folder, convention='path = "edm"\nparameterisation = "x1"').read_text()
    (folder / "card.toml").write_text(text.replace("oracle:build", "weights_denoiser.py:Denoiser"))
    content = {"config": {"model": {"type": "image_v1"}}, "model": state(WRONG), "model_ema": state(ROWS), "opt": {},
               "sched": {}, "ema_sched": {}, "epoch": 1, "step": 9}
    return save(content, folder), {"model": folder / "card.toml"}, EVEN


def conditioned(folder, monkeypatch):
    """The network is û* where it is given these embeddings, and another one elsewhere."""
    text = torch.arange(6.0).reshape(3, 2)
    safetensors.torch.save_file({"text": text}, folder / "given.safetensors")
    (folder / "weights_text.py").write_text(f"""import sys
sys.path.insert(0, {str(Path(oracle.__file__).parent)!r})
import oracle, torch
class Net(oracle.Network):
    def forward(self, x, t, text=None):
        wrong = 0 if text is None else (text - torch.arange(6.0).reshape(3, 2)).abs().sum()
        return super().forward(x, t) * (text is not None and text.shape[1:] == (3, 2)) + wrong
""")
    (folder / "card.toml").write_text('factory = "weights_text.py:Net"\ncondition = "given.safetensors"\n')
    return save({"ema": state(ROWS), "model": state(WRONG)}, folder), {"model": folder / "card.toml"}, EVEN


def dit(folder, monkeypatch):
    content = {"model": state(WRONG), "ema": state(ROWS), "opt": {}, "args": argparse.Namespace(model="DiT-XL/2")}
    model = card(folder, family="dit", schedule="ddpm", output="epsilon+variance")
    return save(content, folder), {"model": model}, steps_as_times("linear")


def edm(folder, monkeypatch):
    network = oracle.EDMNetwork("edm", "x1")
    network.points.data = ROWS
    with open(folder / "their.pkl", "wb") as stream:
        pickle.dump({"ema": network, "augment_pipe": None}, stream)
    return folder / "their.pkl", {"trust_code": True}, EVEN


def torchscript(folder, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(_Scripted(ROWS)).save(str(folder / "their.bin"))
    return folder / "their.bin", {"trust_code": True}, EVEN


def exported(folder, monkeypatch):
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(_Scripted(ROWS).eval(), (torch.zeros(2, *oracle.SHAPE), torch.zeros(2)),
                                  dynamic_shapes=({0: batch}, {0: batch}))
    torch.export.save(program, str(folder / "their.pt2"))
    return folder / "their.pt2", {"trust_code": True}, EVEN


def own_class(folder, monkeypatch, schedule, output, convention):
    model = card(folder, convention=convention, schedule=schedule, output=output)
    return save({"ema": state(ROWS), "model": state(WRONG)}, folder), {"model": model}, EVEN


class _Scripted(torch.nn.Module):
    """û* itself in operations that TorchScript and torch.export know."""

    def __init__(self, rows):
        super().__init__()
        self.rows = torch.nn.Parameter(rows.double())

    def forward(self, x, t):
        x, t = x.double(), t.double().reshape(-1, 1)
        difference = x.flatten(1)[:, None] - t[:, None] * self.rows.flatten(1)[None]
        weights = torch.softmax(-difference.square().sum(2) / (2 * (1 - t) ** 2), dim=1)
        return ((weights @ self.rows.flatten(1) - x.flatten(1)) / (1 - t)).reshape(x.shape)


CASES = {
    "torchcfm": torchcfm_example,
    "torchcfm si": torchcfm_si,
    "flow_matching example": flow_matching_example,
    "flow_matching CondOT": partial(flow_matching_library, scheduler="CondOTScheduler", path_name="linear"),
    "flow_matching cosine": partial(flow_matching_library, scheduler="CosineScheduler", path_name="cosine"),
    "flow_matching VP": partial(flow_matching_library, scheduler="VPScheduler", path_name="vp"),
    "flow_matching polynomial": partial(flow_matching_library, scheduler="PolynomialConvexScheduler", n=3.0,
                                        path_name="polynomial:3.0"),
    "flow_matching linear VP": partial(flow_matching_library, scheduler="LinearVPScheduler", path_name="linear-vp"),
    "RectifiedFlow": rectified_flow,
    "SiT linear velocity": partial(sit, path_type="Linear", prediction="velocity", schedule="linear",
                                   output="velocity"),
    "SiT GVP noise": partial(sit, path_type="GVP", prediction="noise", schedule="cosine", output="epsilon"),
    "SiT VP score": partial(sit, path_type="VP", prediction="score", schedule="vp", output="score"),
    "REPA linear": partial(sit, path_type="linear", prediction="v", schedule="backward", output="velocity"),
    "REPA cosine": partial(sit, path_type="cosine", prediction="v", schedule="backward cosine", output="velocity"),
    "MeanFlow, its velocity field": mean_flow,
    "guided-diffusion": guided,
    "score_sde VP": partial(score_sde, schedule="vp999", output="epsilon", convention=(
        'path = "vp"\ntime_direction = "data-to-noise"\ntime_scale = 999\nparameterisation = "epsilon"')),
    "score_sde VE": partial(score_sde, schedule="edm", output="score", convention='path = "ve"\nparameterisation = '
                            '"score"'),
    **{f"denoising-diffusion-pytorch, {output}": partial(denoising_diffusion, output=output)
       for output in ("v", "epsilon", "x1")},
    "rectified-flow-pytorch": rectified_flow_pytorch,
    "minRF": minrf,
    "LightningDiT": lightningdit,
    "k-diffusion, its Denoiser": k_diffusion,
    "own class, fixed condition": conditioned,
    "DiT": dit,
    "EDM": edm,
    "TorchScript": torchscript,
    "torch.export": exported,
    "own class, time backward": partial(own_class, schedule="backward", output="velocity",
                                        convention='time_direction = "data-to-noise"'),
    "own class, x1 in 1000ths": partial(own_class, schedule="sigma1000", output="x1", convention=(
        'time_direction = "data-to-noise"\ntime_scale = 1000\nparameterisation = "x1"')),
    "own class, v on cosine": partial(own_class, schedule="cosine", output="v",
                                      convention='path = "cosine"\nparameterisation = "v"'),
    "own class, EDM": partial(own_class, schedule="edm", output="x1", convention="sigma_max = 80.0"),
}


@pytest.mark.parametrize("name", CASES)
def test_ideal_network_is_u_star(name, tmp_path, monkeypatch):
    file, options, times = CASES[name](tmp_path, monkeypatch)
    if options.get("trust_code"):
        with pytest.warns(FmdiagWarning, match="runs the code"):
            checkpoint = load_checkpoint(file, **options)
    else:
        checkpoint = load_checkpoint(file, **options)
    low, high = checkpoint.field.reachable
    assert low <= min(times) + 1e-7 and max(times) <= high + 1e-7
    agrees(checkpoint, times)


@pytest.mark.parametrize("name", ["DiT", "EDM", "RectifiedFlow", "SiT VP score"])
@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
def test_unreachable_times_are_nan(name, tmp_path, monkeypatch):
    expected = {"DiT": (0.0063, 0.9901), "EDM": (0.0123, 0.998), "RectifiedFlow": (0.001, 1),
                "SiT VP score": (0.0066, 1)}[name]
    file, options, _ = CASES[name](tmp_path, monkeypatch)
    field = load_checkpoint(file, **options).field
    assert field.reachable == pytest.approx(expected, abs=1e-4)
    x, (low, high) = torch.zeros(1, *oracle.SHAPE), field.reachable
    inside = steps_as_times("linear")[10] if name == "DiT" else 0.5
    assert field(x, low / 2).isnan().all() and field(x.double(), inside).isfinite().all()
    assert high == 1 or field(x, (1 + high) / 2).isnan().all()


@pytest.mark.parametrize("name", ["torchcfm si", "RectifiedFlow", "SiT linear velocity", "own class, time backward"])
def test_averaged_weights_are_used_and_raw_ones_are_others(name, tmp_path, monkeypatch):
    file, options, _ = CASES[name](tmp_path, monkeypatch)
    averaged, raw = load_checkpoint(file, **options), load_checkpoint(file, weights="raw", **options)
    assert (averaged.description["weights"], raw.description["weights"]) == ("ema", "raw")
    x = torch.zeros(1, *oracle.SHAPE)
    assert (averaged.field(x, 0.5) - raw.field(x, 0.5)).abs().max() > 0.01


@pytest.mark.parametrize("name", [name for name in CASES if name != "EDM"])
def test_a_card_that_was_written_gives_the_same_field(name, tmp_path, monkeypatch):
    file, options, times = CASES[name](tmp_path, monkeypatch)
    card = card_of(load_checkpoint(file, **options))
    card["factory"] = relocated(card.get("factory"), tmp_path, tmp_path / "cards")
    (tmp_path / "cards").mkdir()
    write_card(card, tmp_path / "cards" / "written.toml")
    trust = {"trust_code": options["trust_code"]} if "trust_code" in options else {}
    agrees(load_checkpoint(file, model=tmp_path / "cards" / "written.toml", **trust), times)
