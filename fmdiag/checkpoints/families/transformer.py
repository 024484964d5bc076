"""The diffusion transformer that DiT and SiT share: patches, adaptive layer norms from time and class, patches back.

Written from the paper and from the names and shapes of the tensors in released files. The number of heads is the only
argument that shapes do not tell: every published size has 64 channels a head, XL 72.

References
----------
Peebles and Xie, "Scalable Diffusion Models with Transformers", arXiv 2212.09748, section 3 (adaLN-Zero).
"""

import math

import torch
from torch import nn

from fmdiag.errors import FmdiagError

MARKS = ("x_embedder.proj.weight", "final_layer.linear.weight", "y_embedder.embedding_table.weight")
FREQUENCIES = 256
HEADS_OF_WIDTH = {384: 6, 768: 12, 1024: 16, 1152: 16}


class Transformer(nn.Module):
    """Network (x, time, labels) -> (b, out_channels, h, w); times of any scale, labels of shape (b,)."""

    def __init__(self, channels, out_channels, width, depth, heads, patch, n_patches, n_labels, qk_norm=False):
        super().__init__()
        self.patch, self.out_channels = patch, out_channels
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(channels, width, patch, patch)})
        self.t_embedder = nn.ModuleDict({"mlp": _mlp(FREQUENCIES, width, nn.SiLU())})
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(n_labels, width)})
        self.pos_embed = nn.Parameter(torch.zeros(1, n_patches, width), requires_grad=False)
        self.blocks = nn.ModuleList(_Block(width, heads, qk_norm) for _ in range(depth))
        self.final_layer = nn.ModuleDict({"linear": nn.Linear(width, patch**2 * out_channels),
                                          "adaLN_modulation": nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))})

    def forward(self, x, time, labels):
        """Return the output before its learned variance is cut off."""
        return self._carried(x, self.t_embedder["mlp"](frequencies(time)) + self.y_embedder["embedding_table"](labels))

    def _carried(self, x, given):
        """Return the output under what the time and the class are embedded as, shape (b, width)."""
        rows, columns = (side // self.patch for side in x.shape[2:])
        h = self.x_embedder["proj"](x).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            h = block(h, given)
        shift, scale = self.final_layer["adaLN_modulation"](given).chunk(2, dim=1)
        h = self.final_layer["linear"](_modulated(h, shift, scale))
        h = h.reshape(len(x), rows, columns, self.patch, self.patch, self.out_channels)
        return h.permute(0, 5, 1, 3, 2, 4).reshape(len(x), self.out_channels, *x.shape[2:])


class MeanFlowTransformer(Transformer):
    """Network (x, r, t, labels) of a second time: the length t - r of the interval is embedded beside t."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        width = arguments["width"]
        self.r_embedder = nn.ModuleDict({"mlp": _mlp(FREQUENCIES, width, nn.SiLU())})

    def forward(self, x, r, t, labels):
        """Return the mean velocity from t to r."""
        times = self.t_embedder["mlp"](frequencies(t)) + self.r_embedder["mlp"](frequencies(t - r))
        return self._carried(x, times + self.y_embedder["embedding_table"](labels))


class _Block(nn.Module):
    def __init__(self, width, heads, qk_norm):
        super().__init__()
        self.heads = heads
        norms = {name: nn.LayerNorm(width // heads) for name in ("q_norm", "k_norm")} if qk_norm else {}
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width), **norms})
        inner = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.mlp = inner
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, h, given):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(given).chunk(6, dim=1)
        h = h + gate1[:, None] * self._attended(_modulated(h, shift1, scale1))
        inner = nn.functional.gelu(self.mlp["fc1"](_modulated(h, shift2, scale2)), approximate="tanh")
        return h + gate2[:, None] * self.mlp["fc2"](inner)

    def _attended(self, h):
        b, n, width = h.shape
        q, k, v = self.attn["qkv"](h).reshape(b, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if "q_norm" in self.attn:
            q, k = self.attn["q_norm"](q), self.attn["k_norm"](k)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.attn["proj"](mixed.transpose(1, 2).reshape(b, n, width))


def frequencies(time):
    """Return 128 cosines and 128 sines of times, shape (b, 256): frequencies 1 to 1e-4, in geometric steps."""
    half = FREQUENCIES // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=time.device) / half)
    angles = time[:, None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def infer(state, heads=None):
    """Return the constructor arguments that belong to a state dict.

    Raises
    ------
    FmdiagError
        If it is no such network, or its width is unpublished and `heads` is None.
    """
    try:
        width, channels, patch, _ = state["x_embedder.proj.weight"].shape
        outputs = state["final_layer.linear.weight"].shape[0] // patch**2
        depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
        n_patches, n_labels = state["pos_embed"].shape[1], state["y_embedder.embedding_table.weight"].shape[0]
    except (KeyError, ValueError) as error:
        raise FmdiagError(f"no diffusion transformer of DiT or SiT ({error}): name its class by --model card.toml with "
                          "a factory") from error
    heads = heads or HEADS_OF_WIDTH.get(width)
    if heads is None or width % heads:
        raise FmdiagError(f"a transformer of width {width} does not tell its number of heads: give --heads")
    return {"channels": channels, "out_channels": outputs, "width": width, "depth": depth, "heads": heads,
            "patch": patch, "n_patches": n_patches, "n_labels": n_labels,
            **({"qk_norm": True} if "blocks.0.attn.q_norm.weight" in state else {})}


def looks_like(state):
    """Return whether a state dict is of DiT's and SiT's kind."""
    return isinstance(state, dict) and set(MARKS) <= set(state)


def _mlp(inputs, width, activation):
    return nn.Sequential(nn.Linear(inputs, width), activation, nn.Linear(width, width))


def _modulated(h, shift, scale):
    normed = nn.functional.layer_norm(h, h.shape[-1:], eps=1e-6)
    return normed * (1 + scale[:, None]) + shift[:, None]
