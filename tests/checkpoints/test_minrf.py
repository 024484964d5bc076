"""Files of minRF: its transformer DiT_Llama in a bare state dict, time 0 = data, without a card.

`Theirs` has the names and the interface of its class, written here with complex numbers for the rotation and its own
attention: the field must be its output, turned round, at 20 times.
"""

import math

import pytest
import torch
from test_conformance import EVEN, save
from test_foreign_bad_files import refused
from test_repa import embedded, mlp
from torch import nn

from fmdiag.checkpoints import card_of, load_checkpoint, write_card

WIDTH, HEADS, SIDE, PATCH, CLASSES = 64, 4, 8, 2, 10


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.q_norm, self.k_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x):
        d, n = WIDTH // HEADS, x.shape[1]
        turns = torch.tensor([[place / 10000 ** (2 * k / d) for k in range(d // 2)] for place in range(n)])
        turns = torch.polar(torch.ones_like(turns), turns)[:, None]
        q, k = (torch.view_as_real(torch.view_as_complex(part.reshape(len(x), n, HEADS, d // 2, 2)) * turns).flatten(3)
                for part in (self.q_norm(self.wq(x)), self.k_norm(self.wk(x))))
        weights = torch.einsum("bihd,bjhd->bhij", q, k).div(math.sqrt(d)).softmax(-1)
        return self.wo(torch.einsum("bhij,bjhd->bihd", weights, self.wv(x).reshape(len(x), n, HEADS, d)).flatten(2))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1, self.w3 = (nn.Linear(WIDTH, 256, bias=False) for _ in range(2))
        self.w2 = nn.Linear(256, WIDTH, bias=False)

    def forward(self, x):
        return self.w2(nn.SiLU()(self.w1(x)) * self.w3(x))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.feed_forward = Attention(), FeedForward()
        self.attention_norm, self.ffn_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 6 * WIDTH))

    def forward(self, x, c):
        a, b, g, d, e, f = (part[:, None] for part in self.adaLN_modulation(c).chunk(6, -1))
        x = x + g * self.attention(self.attention_norm(x) * (1 + b) + a)
        return x + f * self.feed_forward(self.ffn_norm(x) * (1 + e) + d)


class Theirs(nn.Module):
    def __init__(self):
        super().__init__()
        half = WIDTH // 2
        self.init_conv_seq = nn.Sequential(nn.Conv2d(3, half, 5, 1, 2), nn.SiLU(), nn.GroupNorm(32, half),
                                           nn.Conv2d(half, half, 5, 1, 2), nn.SiLU(), nn.GroupNorm(32, half))
        self.x_embedder = nn.Linear(PATCH**2 * half, WIDTH)
        self.t_embedder = nn.ModuleDict({"mlp": mlp(256, WIDTH, WIDTH)})
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(CLASSES + 1, WIDTH)})
        self.layers = nn.ModuleList(Layer() for _ in range(2))
        self.final_layer = nn.ModuleDict({"linear": nn.Linear(WIDTH, PATCH**2 * 3), "adaLN_modulation": nn.Sequential(
            nn.SiLU(), nn.Linear(WIDTH, 2 * WIDTH))})

    def forward(self, x, t, y):
        n, h = SIDE // PATCH, self.init_conv_seq(x)
        h = torch.einsum("bcipjq->bijcpq", h.reshape(len(x), -1, n, PATCH, n, PATCH)).reshape(len(x), n * n, -1)
        h, c = self.x_embedder(h), self.t_embedder["mlp"](embedded(t)) + self.y_embedder["embedding_table"](y)
        for layer in self.layers:
            h = layer(h, c)
        shift, scale = (part[:, None] for part in self.final_layer["adaLN_modulation"](c).chunk(2, -1))
        h = nn.LayerNorm(WIDTH, elementwise_affine=False, eps=1e-6)(h) * (1 + scale) + shift
        h = torch.einsum("bijpqc->bcipjq", self.final_layer["linear"](h).reshape(len(x), n, n, PATCH, PATCH, 3))
        return h.reshape(x.shape)


def network(seed=0):
    made, generator = Theirs(), torch.Generator().manual_seed(seed)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    return made.eval()


@pytest.mark.parametrize("label", [None, 3])
def test_the_field_is_its_output_turned_round(label, tmp_path):
    made = network()
    found = load_checkpoint(save(made.state_dict(), tmp_path), class_label=label)
    x = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    y = torch.full((3,), CLASSES if label is None else label)
    with torch.no_grad():
        for t in EVEN:
            expected = -made(x, torch.full((3,), 1 - t), y)
            torch.testing.assert_close(found.field(x, t), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
    known = found.description
    assert (known["family"], known["weights"], known["heads"]) == ("minrf", "raw", HEADS)
    assert known["origin"]["heads"] == known["origin"]["time"] == known["origin"]["weights"] == "assumed"
    write_card(card_of(found), tmp_path / "written.toml")
    again = load_checkpoint(found.file, model=tmp_path / "written.toml", class_label=label)
    assert torch.equal(again.field(x, 0.5), found.field(x, 0.5))


def test_averages_under_a_prefix_are_found(tmp_path):
    raw, averaged = network(), network(1)
    names = {f"module.{name}": w for name, w in averaged.state_dict().items()}
    found = load_checkpoint(save({"model": raw.state_dict(), "ema": names, "step": 4}, tmp_path))
    x = torch.ones(2, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = -averaged(x, torch.full((2,), 0.25), torch.full((2,), CLASSES))
    torch.testing.assert_close(found.field(x, 0.75), expected, rtol=1e-4, atol=1e-4)
    assert found.description["weights"] == "ema"


def test_heads_that_nothing_tells_are_asked_for(tmp_path):
    state = network().state_dict()
    odd = {**state, "x_embedder.weight": torch.zeros(96, 128)}
    refused("a DiT_Llama of width 96 does not tell its number of heads: give --heads", save(odd, tmp_path))
    refused("2 missing", save({name: w for name, w in state.items() if "layers.1.ffn" not in name}, tmp_path))
