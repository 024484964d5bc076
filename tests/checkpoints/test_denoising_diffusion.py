"""Files of denoising-diffusion-pytorch's Trainer: network, schedule and objective are read without a card.

`Theirs` has the names and the interface of the package's U-Net of version 2, written here with its own attention: the
field must be that of its output at whole steps. The process's buffers are computed here from their definitions.
"""

import numpy as np
import pytest
import torch
from test_conformance import save
from test_foreign_bad_files import refused
from torch import nn

from fmdiag.checkpoints import card_of, load_checkpoint, write_card

WIDTH, FIRST, HEADS, INNER, STEPS = 16, 24, 2, 8, 500


class Norm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, n, 1, 1))

    def forward(self, x):
        return x / x.square().mean(1, keepdim=True).sqrt() * self.g


class Part(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.proj, self.norm = nn.Conv2d(a, b, 3, 1, 1), Norm(b)


class Block(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(4 * WIDTH, 2 * b))
        self.block1, self.block2 = Part(a, b), Part(b, b)
        self.res_conv = nn.Conv2d(a, b, 1) if a != b else nn.Identity()

    def forward(self, x, c):
        scale, shift = self.mlp(c).unflatten(1, (2, -1)).unbind(1)
        h = self.block1.norm(self.block1.proj(x)) * (1 + scale[..., None, None]) + shift[..., None, None]
        return self.res_conv(x) + nn.SiLU()(self.block2.norm(self.block2.proj(nn.SiLU()(h))))


class Attention(nn.Module):
    def __init__(self, n, full):
        super().__init__()
        self.full, self.norm = full, Norm(n)
        self.mem_kv = nn.Parameter(torch.zeros(2, HEADS, *((4, INNER) if full else (INNER, 4))))
        self.to_qkv, out = nn.Conv2d(n, 3 * HEADS * INNER, 1, bias=False), nn.Conv2d(HEADS * INNER, n, 1)
        self.to_out = out if full else nn.Sequential(out, Norm(n))

    def forward(self, x):
        q, k, v = (part.flatten(2).unflatten(1, (HEADS, INNER)) for part in self.to_qkv(self.norm(x)).chunk(3, 1))
        first = self.mem_kv.transpose(2, 3) if self.full else self.mem_kv   # channels before positions
        k, v = (torch.cat([m.expand(len(x), -1, -1, -1), part], 3) for m, part in zip(first, (k, v), strict=True))
        if self.full:
            weights = torch.einsum("bhdi,bhdj->bhij", q, k).div(INNER**0.5).softmax(-1)
        else:
            weights = torch.einsum("bhdi,bhdj->bhij", q.softmax(2).div(INNER**0.5), k.softmax(3))
        return self.to_out(torch.einsum("bhij,bhdj->bhdi", weights, v).reshape(len(x), -1, *x.shape[2:]))


class Smaller(nn.Module):
    def forward(self, x):
        return torch.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 2).flatten(1, 2)


class Theirs(nn.Module):
    def __init__(self, again=False):
        super().__init__()
        self.init_conv = nn.Conv2d(6 if again else 3, FIRST, 7, 1, 3)
        self.time_mlp = nn.Sequential(nn.Identity(), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(),
                                      nn.Linear(4 * WIDTH, 4 * WIDTH))
        a, b, c = FIRST, WIDTH, 2 * WIDTH
        self.downs = nn.ModuleList([
            nn.ModuleList([Block(a, a), Block(a, a), Attention(a, False), nn.Sequential(
                Smaller(), nn.Conv2d(4 * a, b, 1))]),
            nn.ModuleList([Block(b, b), Block(b, b), Attention(b, True), nn.Conv2d(b, c, 3, 1, 1)])])
        self.mid_block1, self.mid_attn, self.mid_block2 = Block(c, c), Attention(c, True), Block(c, c)
        self.ups = nn.ModuleList([
            nn.ModuleList([Block(c + b, c), Block(c + b, c), Attention(c, True), nn.Sequential(
                nn.Upsample(scale_factor=2), nn.Conv2d(c, b, 3, 1, 1))]),
            nn.ModuleList([Block(b + a, b), Block(b + a, b), Attention(b, False), nn.Conv2d(b, a, 3, 1, 1)])])
        self.final_res_block, self.final_conv = Block(2 * a, a), nn.Conv2d(a, 3, 1)

    def forward(self, x, step):
        x = self.init_conv(x if self.init_conv.in_channels == 3 else torch.cat([0 * x, x], 1))
        rates = torch.tensor([10000 ** (-k / (WIDTH // 2 - 1)) for k in range(WIDTH // 2)])
        c = self.time_mlp(torch.cat([(step[:, None] * rates).sin(), (step[:, None] * rates).cos()], 1))
        h, kept = x, []
        for first, second, attention, down in self.downs:
            h = first(h, c)
            kept.append(h)
            h = second(h, c)
            h = attention(h) + h
            kept.append(h)
            h = down(h)
        h = self.mid_block1(h, c)
        h = self.mid_block2(self.mid_attn(h) + h, c)
        for first, second, attention, up in self.ups:
            h = first(torch.cat([h, kept.pop()], 1), c)
            h = second(torch.cat([h, kept.pop()], 1), c)
            h = up(attention(h) + h)
        return self.final_conv(self.final_res_block(torch.cat([h, x], 1), c))


def sigmoid(n):
    """The package's own default: abar falls along a sigmoid from -3 to 3, its betas cut off at .999."""
    s = 1 / (1 + np.exp(-(np.linspace(0, 1, n + 1) * 6 - 3)))
    kept = (s[-1] - s) / (s[-1] - s[0])
    return np.cumprod(1 - np.clip(1 - kept[1:] / kept[:-1], 0, 0.999))


def linear(n):
    return np.cumprod(1 - np.linspace(0.1 / n, 20 / n, n))


def buffers(abar, objective=None, gamma=np.inf):
    """Return a process's buffers; the loss has weight 1 for epsilon, snr for x1, snr / (snr + 1) for v, unclipped."""
    snr = abar / (1 - abar)
    clipped = np.minimum(snr, gamma)
    found = {"alphas_cumprod": abar, "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / abar - 1), "posterior_mean_coef1": abar,
             "posterior_mean_coef2": abar}
    if objective:
        found["loss_weight"] = {"epsilon": clipped / snr, "x1": clipped, "v": clipped / (snr + 1)}[objective]
    return {name: torch.from_numpy(value).float() for name, value in found.items()}


def network(seed=0, **kinds):
    made, generator = Theirs(**kinds), torch.Generator().manual_seed(seed)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    return made.eval()


def written(folder, raw, averaged, process):
    def named(made):
        return {**process, **{f"model.{name}": w for name, w in made.state_dict().items()}}

    ema = {"initted": torch.tensor(True), "step": torch.tensor(9), **{
        f"{kind}.{name}": w for kind, made in (("online_model", raw), ("ema_model", averaged))
        for name, w in named(made).items()}}
    return save({"step": 9, "model": named(raw), "opt": {}, "ema": ema, "scaler": None, "version": "2.3.4"}, folder)


@pytest.mark.parametrize("objective, abar, gamma, again", [("v", sigmoid(STEPS), np.inf, False), (
    "epsilon", linear(STEPS), 5.0, False), ("x1", sigmoid(STEPS), 5.0, True)])
def test_the_field_is_that_of_its_output_at_twenty_steps(objective, abar, gamma, again, tmp_path):
    made = network(1, again=again)
    found = load_checkpoint(written(tmp_path, network(again=again), made, buffers(abar, objective, gamma)))
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    for step in range(5, STEPS, 25):
        a, s = np.sqrt(abar[step]), np.sqrt(1 - abar[step])
        t, seen = a / (a + s), ((a + s) * x.double()).float()
        with torch.no_grad():
            output = made(seen, torch.full((2,), step)).double()
        x1, x0 = {"v": (a * seen - s * output, s * seen + a * output), "epsilon": ((seen - s * output) / a, output),
                  "x1": (output, (seen - a * output) / s)}[objective]
        expected = x1 - x0
        atol = 1e-5 * expected.abs().max().item()
        torch.testing.assert_close(found.field(x.double(), t), expected, rtol=1e-4, atol=atol)
    known = found.description
    assert (known["family"], known["weights"], known["parameterisation"]) == ("denoising_diffusion", "ema", objective)
    assert known["origin"]["parameterisation"] == known["origin"]["schedule"] == "read from the file"
    write_card(card_of(found), tmp_path / "written.toml")
    again = load_checkpoint(found.file, model=tmp_path / "written.toml")
    torch.testing.assert_close(again.field(x, 0.5), found.field(x, 0.5), rtol=1e-4, atol=1e-4)


def test_an_objective_that_the_loss_does_not_tell_is_assumed(tmp_path):
    found = load_checkpoint(written(tmp_path, network(), network(1), buffers(linear(STEPS)))).description
    assert found["parameterisation"] == "epsilon" and found["origin"]["parameterisation"] == "assumed"


def test_another_network_of_the_trainer_needs_a_card_for_it_alone(tmp_path):
    state = {"model.layer.weight": torch.zeros(2, 2), **buffers(linear(STEPS), "v")}
    refused("a network that is not its U-Net of version 2.*schedule and objective are read from the file",
            save({"step": 9, "model": state, "opt": {}}, tmp_path))
