"""Transformer of LightningDiT: DiT's with rotated queries and keys, root-mean-square norms and gated layers.

Each of these is optional, and the names of the tensors tell which there are. The rotation is kept in the file, cosines
and sines of shape (patches, channels of a head), for the pairs (2k, 2k + 1) of a head: it tells the heads, too.
"""

import torch
from torch import nn

from fmdiag.checkpoints.families.transformer import FREQUENCIES, HEADS_OF_WIDTH, MARKS, frequencies
from fmdiag.errors import FmdiagError

EPSILON = 1e-6
ROTATION, GATED, ROOT = "feat_rope.freqs_cos", "blocks.0.mlp.w12.weight", "blocks.0.norm1.weight"


class Transformer(nn.Module):
    """Network (x, t, labels) of x, shape (b, c, h, w), t in [0, 1] and labels of shape (b,)."""

    def __init__(self, channels, out_channels, width, depth, heads, patch, n_patches, n_labels, hidden, rotated=True,
                 gated=True, root=True, qk_norm=False, shifts=True):
        super().__init__()
        self.patch, self.out_channels = patch, out_channels
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(channels, width, patch, patch)})
        self.t_embedder = nn.ModuleDict({"mlp": nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(),
                                                              nn.Linear(width, width))})
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(n_labels, width)})
        self.pos_embed = nn.Parameter(torch.zeros(1, n_patches, width), requires_grad=False)
        self.feat_rope = _Rotation(n_patches, width // heads) if rotated else None
        self.blocks = nn.ModuleList(_Block(width, heads, hidden, gated, root, qk_norm, shifts) for _ in range(depth))
        self.final_layer = nn.ModuleDict({
            "norm_final": _norm(width, root), "linear": nn.Linear(width, patch**2 * out_channels),
            "adaLN_modulation": nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))})

    def forward(self, x, t, labels):
        """Return the output before its learned variance is cut off."""
        rows, columns = (side // self.patch for side in x.shape[2:])
        given = self.t_embedder["mlp"](frequencies(t)) + self.y_embedder["embedding_table"](labels)
        h = self.x_embedder["proj"](x).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            h = block(h, given, self.feat_rope)
        shift, scale = self.final_layer["adaLN_modulation"](given)[:, None].chunk(2, dim=2)
        h = self.final_layer["linear"](self.final_layer["norm_final"](h) * (1 + scale) + shift)
        h = h.reshape(len(x), rows, columns, self.patch, self.patch, self.out_channels)
        return h.permute(0, 5, 1, 3, 2, 4).reshape(len(x), self.out_channels, *x.shape[2:])


class _Rotation(nn.Module):
    def __init__(self, n_patches, channels):
        super().__init__()
        for name in ("freqs_cos", "freqs_sin"):
            self.register_buffer(name, torch.zeros(n_patches, channels))

    def forward(self, q):
        turned = torch.stack([-q[..., 1::2], q[..., ::2]], dim=4).flatten(3)
        return q * self.freqs_cos + turned * self.freqs_sin


class _Block(nn.Module):
    def __init__(self, width, heads, hidden, gated, root, qk_norm, shifts):
        super().__init__()
        self.heads, self.gated, self.parts = heads, gated, 6 if shifts else 4
        self.norm1, self.norm2 = _norm(width, root), _norm(width, root)
        head = width // heads
        norms = {name: _norm(head, True) if root else nn.LayerNorm(head) for name in ("q_norm", "k_norm")}
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width),
                                   **(norms if qk_norm else {})})
        first, second = ("w12", "w3") if gated else ("fc1", "fc2")
        self.mlp = nn.ModuleDict({first: nn.Linear(width, hidden * (1 + gated)), second: nn.Linear(hidden, width)})
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, self.parts * width))

    def forward(self, h, given, rotation):
        parts = self.adaLN_modulation(given)[:, None].chunk(self.parts, dim=2)
        shift1, scale1, gate1, shift2, scale2, gate2 = parts if self.parts == 6 else (0, *parts[:2], 0, *parts[2:])
        h = h + gate1 * self._attended(self.norm1(h) * (1 + scale1) + shift1, rotation)
        return h + gate2 * self._inner(self.norm2(h) * (1 + scale2) + shift2)

    def _attended(self, h, rotation):
        q, k, v = self.attn["qkv"](h).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if "q_norm" in self.attn:
            q, k = self.attn["q_norm"](q), self.attn["k_norm"](k)
        if rotation is not None:
            q, k = rotation(q), rotation(k)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.attn["proj"](mixed.transpose(1, 2).flatten(2))

    def _inner(self, h):
        if not self.gated:
            return self.mlp["fc2"](nn.functional.gelu(self.mlp["fc1"](h), approximate="tanh"))
        first, second = self.mlp["w12"](h).chunk(2, dim=2)
        return self.mlp["w3"](nn.functional.silu(first) * second)


def looks_like(state):
    """Return whether a state dict has DiT's names and LightningDiT's own."""
    return isinstance(state, dict) and set(MARKS) <= set(state) and (ROTATION in state or GATED in state)


def infer(state, heads=None):
    """Return the constructor arguments that belong to a state dict.

    Raises
    ------
    FmdiagError
        If it is no such network, or neither a rotation nor its width tells the heads and `heads` is None.
    """
    try:
        width, channels, patch, _ = state["x_embedder.proj.weight"].shape
        depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
        hidden = state["blocks.0.mlp.w3.weight" if GATED in state else "blocks.0.mlp.fc2.weight"].shape[1]
        parts = len(state["blocks.0.adaLN_modulation.1.weight"]) // width
        n_patches, n_labels = state["pos_embed"].shape[1], len(state["y_embedder.embedding_table.weight"])
    except (KeyError, ValueError) as error:
        raise FmdiagError(f"no LightningDiT ({error}): name its class by --model card.toml with a factory and "
                          "family = \"lightningdit\"") from error
    heads = width // state[ROTATION].shape[1] if ROTATION in state else heads or HEADS_OF_WIDTH.get(width)
    if heads is None or width % heads:
        raise FmdiagError(f"a LightningDiT of width {width} does not tell its number of heads: give --heads")
    return {"channels": channels, "out_channels": len(state["final_layer.linear.weight"]) // patch**2, "width": width,
            "depth": depth, "heads": heads, "patch": patch, "n_patches": n_patches, "n_labels": n_labels,
            "hidden": hidden, "rotated": ROTATION in state, "gated": GATED in state, "root": ROOT in state,
            "qk_norm": "blocks.0.attn.q_norm.weight" in state, "shifts": parts == 6}


def _norm(width, root):
    return nn.RMSNorm(width, eps=EPSILON) if root else nn.LayerNorm(width, eps=EPSILON, elementwise_affine=False)
