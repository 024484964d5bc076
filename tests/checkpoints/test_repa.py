"""Files of REPA and of MeanFlow in PyTorch: SiT's network, path types in lower case, time 0 = data, without a card.

`Theirs` has the names and the interface of these repositories' class, written here with its own attention and
frequencies: the field must be its output, turned round, at 20 times.
"""

import argparse
import math

import oracle
import pytest
import torch
from test_conformance import EVEN, ROWS, WRONG, agrees, card, save, state
from test_foreign_bad_files import refused
from torch import nn

import fmdiag
from fmdiag.checkpoints import card_of, load_checkpoint, write_card
from fmdiag.checkpoints.families.transformer import Transformer

WIDTH, HEADS, SIDE, PATCH, CLASSES = 384, 6, 8, 2, 10
ARGUMENTS = {"path_type": "linear", "num_classes": CLASSES, "cfg_prob": 0.1}


def mlp(*sizes):
    return nn.Sequential(*[layer for a, b in zip(sizes, sizes[1:], strict=False) for layer in (nn.Linear(a, b),
                                                                                            nn.SiLU())][:-1])


def embedded(t):
    rates = torch.tensor([10000 ** (-k / 128) for k in range(128)], dtype=torch.float64)
    return torch.cat([(t[:, None].double() * rates).cos(), (t[:, None].double() * rates).sin()], 1).float()


class Block(nn.Module):
    def __init__(self, qk_norm):
        super().__init__()
        norms = {n: nn.LayerNorm(WIDTH // HEADS) if qk_norm else nn.Identity() for n in ("q_norm", "k_norm")}
        self.attn = nn.ModuleDict({"qkv": nn.Linear(WIDTH, 3 * WIDTH), "proj": nn.Linear(WIDTH, WIDTH), **norms})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(WIDTH, 4 * WIDTH), "fc2": nn.Linear(4 * WIDTH, WIDTH)})
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 6 * WIDTH))

    def forward(self, x, c):
        a, b, g, d, e, f = (part[:, None] for part in self.adaLN_modulation(c).chunk(6, -1))
        norm = nn.LayerNorm(WIDTH, elementwise_affine=False, eps=1e-6)
        parts = self.attn["qkv"](norm(x) * (1 + b) + a).unflatten(-1, (3, HEADS, -1)).unbind(2)
        q, k, v = self.attn["q_norm"](parts[0]), self.attn["k_norm"](parts[1]), parts[2]
        weights = torch.einsum("bihd,bjhd->bhij", q, k).div(math.sqrt(WIDTH // HEADS)).softmax(-1)
        x = x + g * self.attn["proj"](torch.einsum("bhij,bjhd->bihd", weights, v).flatten(2))
        return x + f * self.mlp["fc2"](nn.GELU("tanh")(self.mlp["fc1"](norm(x) * (1 + e) + d)))


class Theirs(nn.Module):
    def __init__(self, second=False, projectors=True, qk_norm=False):
        super().__init__()
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(4, WIDTH, PATCH, PATCH)})
        self.t_embedder = nn.ModuleDict({"mlp": mlp(256, WIDTH, WIDTH)})
        if second:
            self.r_embedder = nn.ModuleDict({"mlp": mlp(256, WIDTH, WIDTH)})
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(CLASSES + 1, WIDTH)})
        self.pos_embed = nn.Parameter(torch.randn(1, (SIDE // PATCH) ** 2, WIDTH))
        self.blocks = nn.ModuleList(Block(qk_norm) for _ in range(2))
        self.projectors = nn.ModuleList([mlp(WIDTH, 32, 32, 7)] if projectors else [])
        self.final_layer = nn.ModuleDict({"linear": nn.Linear(WIDTH, PATCH**2 * 4), "adaLN_modulation": nn.Sequential(
            nn.SiLU(), nn.Linear(WIDTH, 2 * WIDTH))})

    def forward(self, x, *times, y):
        h = self.x_embedder["proj"](x).flatten(2).transpose(1, 2) + self.pos_embed
        c = self.t_embedder["mlp"](embedded(times[-1])) + self.y_embedder["embedding_table"](y)
        if len(times) == 2:
            c = c + self.r_embedder["mlp"](embedded(times[1] - times[0]))
        for block in self.blocks:
            h = block(h, c)
        shift, scale = (part[:, None] for part in self.final_layer["adaLN_modulation"](c).chunk(2, -1))
        h = nn.LayerNorm(WIDTH, elementwise_affine=False, eps=1e-6)(h) * (1 + scale) + shift
        n = SIDE // PATCH
        h = torch.einsum("nhwpqc->nchpwq", self.final_layer["linear"](h).reshape(len(x), n, n, PATCH, PATCH, 4))
        return h.reshape(len(x), 4, SIDE, SIDE)


def written(folder, seed=0, arguments=ARGUMENTS, **kinds):
    torch.manual_seed(seed)
    networks = [Theirs(**kinds).eval() for _ in range(2)]
    save({"model": networks[0].state_dict(), "ema": networks[1].state_dict(), "opt": {"state": {}}, "steps": 3,
          "args": argparse.Namespace(**arguments)}, folder)
    return folder / "their.pt", networks[1]


def points(n=3):
    return torch.randn(n, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("label", [None, 3])
@pytest.mark.parametrize("qk_norm", [False, True])
def test_repa_is_read_and_its_projectors_are_left_out(qk_norm, label, tmp_path):
    file, network = written(tmp_path, qk_norm=qk_norm, arguments={**ARGUMENTS, "prediction": "v"})
    found, x = load_checkpoint(file, class_label=label), points()
    y = torch.full((len(x),), CLASSES if label is None else label)
    with torch.no_grad():
        for t in EVEN:
            expected = -network(x, torch.full((len(x),), 1 - t), y=y)
            torch.testing.assert_close(found.field(x, t), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
    known = found.description
    assert (known["family"], known["weights"], known["weights_at"]) == ("sit", "ema", "ema, without projectors.*")
    assert known["origin"]["time"] == "assumed" and known.get("no_class") == (None if label else "10, trained")


def test_a_bare_file_with_projectors_is_repas(tmp_path):
    _, network = written(tmp_path)
    found, x = load_checkpoint(save(network.state_dict(), tmp_path)).field, points()
    with torch.no_grad():
        expected = -network(x, torch.full((len(x),), 0.75), y=torch.full((len(x),), CLASSES))
    torch.testing.assert_close(found(x, 0.25), expected, rtol=1e-4, atol=1e-4)


def test_meanflow_is_a_field_at_equal_times(tmp_path):
    file, network = written(tmp_path, second=True, projectors=False)
    found, x = load_checkpoint(file), points()
    y = torch.full((len(x),), CLASSES)
    with torch.no_grad():
        for t in EVEN:
            s = torch.full((len(x),), 1 - t)
            expected = -network(x, s, s, y=y)
            torch.testing.assert_close(found.field(x, t), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
    assert (found.description["family"], found.description["call"]) == ("meanflow", "x, r, t, y")
    write_card(card_of(found), tmp_path / "written.toml")
    assert torch.equal(load_checkpoint(file, model=tmp_path / "written.toml").field(x, 0.5), found.field(x, 0.5))


@pytest.mark.parametrize("n_steps", [1, 2, 4])
def test_meanflow_is_a_sampler_by_a_card_of_two_lines(n_steps, tmp_path):
    """z_r = z_t - (t - r) u(z_t, r, t) from t = 1, noise, to 0."""
    file, network = written(tmp_path, second=True, projectors=False)
    (tmp_path / "card.toml").write_text('kind = "sampler"\nn_steps = 4\n')
    x0, y = points(), torch.full((3,), CLASSES)
    found = fmdiag.sample(load_checkpoint(file, model=tmp_path / "card.toml").field, x0, n_steps)
    z = x0
    with torch.no_grad():
        for k in range(n_steps):
            t, r = (torch.full((3,), 1 - j / n_steps) for j in (k, k + 1))
            z = z - (1 / n_steps) * network(z, r, t, y=y)
    torch.testing.assert_close(found, z, rtol=1e-4, atol=1e-4)


def test_a_guided_mean_flow_has_a_caution(tmp_path):
    file, _ = written(tmp_path, second=True, projectors=False, arguments={**ARGUMENTS, "cfg_omega": 2.0})
    assert any(text.startswith("guided-target: ") for text in load_checkpoint(file).description["warnings"])


@pytest.mark.parametrize("path_type, schedule", [("linear", "backward"), ("cosine", "backward cosine")])
def test_a_class_in_a_card_may_return_projections_too(path_type, schedule, tmp_path):
    (tmp_path / "weights_tuple.py").write_text(f"""import sys
sys.path.insert(0, {str(oracle.__file__).rsplit("/", 1)[0]!r})
import oracle
class Net(oracle.Network):
    def forward(self, x, t, labels=None): return super().forward(x, t), [x]
""")
    content = {"model": state(WRONG), "ema": state(ROWS), "opt": {}, "args": argparse.Namespace(
        path_type=path_type, prediction="v")}
    text = card(tmp_path, family="sit", schedule=schedule).read_text()
    (tmp_path / "card.toml").write_text(text.replace("oracle:build", "weights_tuple.py:Net"))
    agrees(load_checkpoint(save(content, tmp_path), model=tmp_path / "card.toml"), EVEN)


def test_what_is_not_repas(tmp_path):
    refused("unknown REPA prediction 'x'", written(tmp_path, arguments={**ARGUMENTS, "prediction": "x"})[0])
    network = Transformer(channels=4, out_channels=4, width=384, depth=1, heads=6, patch=2, n_patches=16, n_labels=11)
    refused("a bare state dict of the network that DiT, SiT and LFM share", save(network.state_dict(), tmp_path))
