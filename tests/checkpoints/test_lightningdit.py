"""Files of LightningDiT: rotated attention, root-mean-square norms and gated layers, read without a card.

`Theirs` has the names and the interface of its class, written here with its own attention and rotation: the field must
be its output at 20 times.
"""

import math

import pytest
import torch
from test_conformance import EVEN, save
from test_foreign_bad_files import refused
from test_repa import embedded, mlp
from torch import nn

from fmdiag.checkpoints import card_of, load_checkpoint, write_card

WIDTH, HEADS, SIDE, CLASSES, HIDDEN = 48, 3, 4, 10, 40
HEAD = WIDTH // HEADS


class Root(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * self.weight


class Rope(nn.Module):
    """Half of a head's channels turn with the row, half with the column of a patch, in neighbouring pairs."""

    def __init__(self):
        super().__init__()
        rates = [10000 ** (-2 * k / (HEAD // 2)) for k in range(HEAD // 4)]
        angles = torch.tensor([[place * rate for place in (row, column) for rate in rates for _ in (0, 1)]
                               for row in range(SIDE) for column in range(SIDE)])
        self.register_buffer("freqs_cos", angles.cos())
        self.register_buffer("freqs_sin", angles.sin())


def turned(x, rope):
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    turns = torch.complex(rope.freqs_cos[:, ::2], rope.freqs_sin[:, ::2])[:, None]
    return torch.view_as_real(pairs * turns).flatten(-2)


class Block(nn.Module):
    def __init__(self, qk_norm, shifts, root, gated):
        super().__init__()
        kind = Root if root else (lambda n: nn.LayerNorm(n, eps=1e-6, elementwise_affine=False))
        self.norm1, self.norm2, self.shifts, self.gated = kind(WIDTH), kind(WIDTH), shifts, gated
        norms = {n: (Root if root else nn.LayerNorm)(HEAD) if qk_norm else nn.Identity() for n in ("q_norm", "k_norm")}
        self.attn = nn.ModuleDict({"qkv": nn.Linear(WIDTH, 3 * WIDTH), "proj": nn.Linear(WIDTH, WIDTH), **norms})
        self.mlp = nn.ModuleDict({"w12": nn.Linear(WIDTH, 2 * HIDDEN), "w3": nn.Linear(HIDDEN, WIDTH)} if gated else {
            "fc1": nn.Linear(WIDTH, HIDDEN), "fc2": nn.Linear(HIDDEN, WIDTH)})
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, (6 if shifts else 4) * WIDTH))

    def forward(self, x, c, rope):
        parts = [part[:, None] for part in self.adaLN_modulation(c).split(WIDTH, 1)]
        a, b, g, d, e, f = parts if self.shifts else (0, parts[0], parts[1], 0, parts[2], parts[3])
        q, k, v = self.attn["qkv"](self.norm1(x) * (1 + b) + a).unflatten(-1, (3, HEADS, -1)).unbind(2)
        q, k = turned(self.attn["q_norm"](q), rope), turned(self.attn["k_norm"](k), rope)
        weights = torch.einsum("bihd,bjhd->bhij", q, k).div(math.sqrt(HEAD)).softmax(-1)
        x = x + g * self.attn["proj"](torch.einsum("bhij,bjhd->bihd", weights, v).flatten(2))
        h = self.norm2(x) * (1 + e) + d
        if not self.gated:
            return x + f * self.mlp["fc2"](nn.GELU("tanh")(self.mlp["fc1"](h)))
        first, second = self.mlp["w12"](h).split(HIDDEN, -1)
        return x + f * self.mlp["w3"](first * first.sigmoid() * second)


class Theirs(nn.Module):
    def __init__(self, qk_norm=False, shifts=True, root=True, gated=True):
        super().__init__()
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(8, WIDTH, 1)})
        self.t_embedder = nn.ModuleDict({"mlp": mlp(256, WIDTH, WIDTH)})
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(CLASSES + 1, WIDTH)})
        self.pos_embed, self.feat_rope = nn.Parameter(torch.zeros(1, SIDE**2, WIDTH)), Rope()
        self.blocks = nn.ModuleList(Block(qk_norm, shifts, root, gated) for _ in range(2))
        self.final_layer = nn.ModuleDict({
            "linear": nn.Linear(WIDTH, 8), "adaLN_modulation": nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 2 * WIDTH)),
            "norm_final": Root(WIDTH) if root else nn.LayerNorm(WIDTH, eps=1e-6, elementwise_affine=False)})

    def forward(self, x, t, y):
        h = self.x_embedder["proj"](x).flatten(2).transpose(1, 2) + self.pos_embed
        c = self.t_embedder["mlp"](embedded(t)) + self.y_embedder["embedding_table"](y)
        for block in self.blocks:
            h = block(h, c, self.feat_rope)
        shift, scale = (part[:, None] for part in self.final_layer["adaLN_modulation"](c).chunk(2, -1))
        h = self.final_layer["linear"](self.final_layer["norm_final"](h) * (1 + scale) + shift)
        return h.transpose(1, 2).reshape(x.shape)


def network(seed=0, **kinds):
    made, generator = Theirs(**kinds), torch.Generator().manual_seed(seed)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    return made.eval()


@pytest.mark.parametrize("kinds", [{}, {"qk_norm": True, "shifts": False}, {"root": False, "qk_norm": True}, {
    "gated": False}])
def test_the_field_is_its_output(kinds, tmp_path):
    made, x = network(1, **kinds), torch.randn(3, 8, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    found = load_checkpoint(save({"model": network(**kinds).state_dict(), "ema": made.state_dict(), "opt": {},
                                  "config": {"data": {"image_size": 256}}}, tmp_path), class_label=3)
    with torch.no_grad():
        for t in EVEN:
            expected = made(x, torch.full((3,), t), torch.full((3,), 3))
            torch.testing.assert_close(found.field(x, t), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
    known = found.description
    assert (known["family"], known["weights"], known["network"]["heads"]) == ("lightningdit", "ema", HEADS)
    assert known["origin"]["time"] == "assumed" and known["data_range"] == "latents, normalised"
    write_card(card_of(found), tmp_path / "written.toml")
    again = load_checkpoint(found.file, model=tmp_path / "written.toml", class_label=3)
    assert torch.equal(again.field(x, 0.5), found.field(x, 0.5))


def test_the_configuration_in_the_file_says_the_convention(tmp_path):
    made, x = network(), torch.ones(2, 8, SIDE, SIDE)
    config = {"transport": {"path_type": "GVP", "prediction": "noise"}}
    found = load_checkpoint(save({"ema": made.state_dict(), "config": config}, tmp_path))
    scale = math.cos(math.pi / 8) + math.sin(math.pi / 8)  # at time .25: sin(pi t / 2) of data, cos(pi t / 2) of noise
    t = math.sin(math.pi / 8) / scale
    with torch.no_grad():
        noise = made(scale * x, torch.full((2,), 0.25), torch.full((2,), CLASSES))
    expected = (x - noise) / t
    torch.testing.assert_close(found.field(x, t), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
    assert found.description["origin"]["parameterisation"] == "read from the file"
    config["transport"]["path_type"] = "Curved"
    refused("unknown LightningDiT path_type 'Curved'", save({"ema": made.state_dict(), "config": config}, tmp_path))


def test_heads_that_no_rotation_tells_are_asked_for(tmp_path):
    bare = {name: w for name, w in network().state_dict().items() if "feat_rope" not in name}
    refused("a LightningDiT of width 48 does not tell its number of heads: give --heads", save(bare, tmp_path))
    assert load_checkpoint(save(bare, tmp_path), heads=HEADS).description["heads"] == HEADS
