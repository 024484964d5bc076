"""Transformer of minRF, DiT_Llama: blocks with rotated queries and keys and gated layers, after two convolutions.

A position's number in the sequence of patches turns the pairs (2k, 2k + 1) of each head by 10000^(-2k / d) per step;
queries and keys are normalised over all heads together; the layers between are w2(silu(w1 h) w3 h).
"""

import torch
from torch import nn

from fmdiag.checkpoints.families.transformer import FREQUENCIES, frequencies
from fmdiag.errors import FmdiagError

MARKS = ("init_conv_seq.0.weight", "x_embedder.weight", "y_embedder.embedding_table.weight",
         "layers.0.attention.wq.weight", "layers.0.feed_forward.w1.weight", "final_layer.linear.weight")
# Of the script's examples, and of the class's own default.
HEADS_OF_WIDTH = {64: 4, 256: 8, 512: 16}
GROUPS, MOST_GIVEN = 32, 1024


class Transformer(nn.Module):
    """Network (x, t, labels) of x, shape (b, c, h, w), t in [0, 1] and labels of shape (b,)."""

    def __init__(self, channels, width, depth, heads, patch, hidden, n_labels):
        super().__init__()
        self.patch, self.channels, given = patch, channels, min(width, MOST_GIVEN)
        half = width // 2
        self.init_conv_seq = nn.Sequential(
            nn.Conv2d(channels, half, 5, padding=2), nn.SiLU(), nn.GroupNorm(GROUPS, half),
            nn.Conv2d(half, half, 5, padding=2), nn.SiLU(), nn.GroupNorm(GROUPS, half))
        self.x_embedder = nn.Linear(patch**2 * half, width)
        self.t_embedder = nn.ModuleDict({"mlp": nn.Sequential(nn.Linear(FREQUENCIES, given), nn.SiLU(),
                                                              nn.Linear(given, given))})
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(n_labels, given)})
        self.layers = nn.ModuleList(_Block(width, heads, hidden, given) for _ in range(depth))
        self.final_layer = nn.ModuleDict({
            "linear": nn.Linear(width, patch**2 * channels),
            "adaLN_modulation": nn.Sequential(nn.SiLU(), nn.Linear(given, 2 * width))})

    def forward(self, x, t, labels):
        """Return the output, shape of x."""
        rows, columns = (side // self.patch for side in x.shape[2:])
        h = nn.functional.pixel_unshuffle(self.init_conv_seq(x), self.patch).flatten(2).transpose(1, 2)
        h = self.x_embedder(h)
        given = self.t_embedder["mlp"](frequencies(t)) + self.y_embedder["embedding_table"](labels)
        for block in self.layers:
            h = block(h, given)
        shift, scale = self.final_layer["adaLN_modulation"](given)[:, None].chunk(2, dim=2)
        h = nn.functional.layer_norm(h, h.shape[-1:], eps=1e-6)
        h = self.final_layer["linear"](h * (1 + scale) + shift)
        h = h.reshape(len(x), rows, columns, self.patch, self.patch, self.channels)
        return h.permute(0, 5, 1, 3, 2, 4).reshape(x.shape)


class _Block(nn.Module):
    def __init__(self, width, heads, hidden, given):
        super().__init__()
        self.heads = heads
        self.attention = nn.ModuleDict({
            **{name: nn.Linear(width, width, bias=False) for name in ("wq", "wk", "wv", "wo")},
            "q_norm": nn.LayerNorm(width), "k_norm": nn.LayerNorm(width)})
        self.feed_forward = nn.ModuleDict({"w1": nn.Linear(width, hidden, bias=False),
                                           "w2": nn.Linear(hidden, width, bias=False),
                                           "w3": nn.Linear(width, hidden, bias=False)})
        self.attention_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(given, 6 * width))

    def forward(self, h, given):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(given)[:, None].chunk(6, dim=2)
        h = h + gate1 * self._attended(self.attention_norm(h) * (1 + scale1) + shift1)
        inner = self.ffn_norm(h) * (1 + scale2) + shift2
        gated = nn.functional.silu(self.feed_forward["w1"](inner)) * self.feed_forward["w3"](inner)
        return h + gate2 * self.feed_forward["w2"](gated)

    def _attended(self, h):
        layer = self.attention
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (
            layer["q_norm"](layer["wq"](h)), layer["k_norm"](layer["wk"](h)), layer["wv"](h)))
        mixed = nn.functional.scaled_dot_product_attention(turned(q), turned(k), v)
        return layer["wo"](mixed.transpose(1, 2).flatten(2))


def turned(q):
    """Return queries or keys, shape (b, heads, n, d), with the pairs (2k, 2k + 1) turned by n 10000^(-2k / d)."""
    n, d = q.shape[2:]
    rates = 10000.0 ** (-torch.arange(0, d, 2, device=q.device, dtype=torch.float32) / d)
    angles = torch.arange(n, device=q.device)[:, None] * rates
    first, second = q[..., ::2], q[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([first * cos - second * sin, first * sin + second * cos], dim=4).flatten(3)


def infer(state, heads=None):
    """Return the constructor arguments that belong to a state dict.

    Raises
    ------
    FmdiagError
        If it is no such network, or its width is that of no example and `heads` is None.
    """
    try:
        half, channels = state["init_conv_seq.0.weight"].shape[:2]
        width, patches = state["x_embedder.weight"].shape
        hidden, n_labels = (len(state[name]) for name in ("layers.0.feed_forward.w1.weight",
                                                          "y_embedder.embedding_table.weight"))
        depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))
    except (KeyError, ValueError) as error:
        raise FmdiagError(f"no DiT_Llama of minRF ({error}): name its class by --model card.toml with a factory and "
                          "family = \"minrf\"") from error
    heads = heads or HEADS_OF_WIDTH.get(width)
    if heads is None or width % (2 * heads):
        raise FmdiagError(f"a DiT_Llama of width {width} does not tell its number of heads: give --heads")
    return {"channels": channels, "width": width, "depth": depth, "heads": heads, "patch": round((patches / half)**0.5),
            "hidden": hidden, "n_labels": n_labels}
