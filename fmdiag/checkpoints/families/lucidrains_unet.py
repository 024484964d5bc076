"""U-Net of denoising-diffusion-pytorch 2, ``m(x, step)``: made of the shapes of its tensors.

Per level two residual blocks and an attention, linear except at the innermost level, with memories beside keys and
values; norms divide by the root mean square over channels. The first convolution's output is joined again at the end.
The tensors tell everything but the base of the sinusoids of the time, 10000 unless it was changed.
"""

import math

import torch
from torch import nn

from fmdiag.errors import FmdiagError

MARKS = ("init_conv.weight", "mid_attn.mem_kv", "mid_block1.block1.norm.g", "time_mlp.1.weight", "final_conv.weight")


class Unet(nn.Module):
    """Network (x, step) of x, shape (b, c, h, w), whole steps of shape (b,).

    Parameters
    ----------
    channels, out_channels : int
        Of the input without self-conditioning, and of the output.
    initial, width : int
        Channels after the first convolution, and the number of sinusoids.
    widths : list of int
        Channels after each level.
    attention : list of [bool, int, int]
        Of each level: whether it is full instead of linear, heads, channels of a head.
    memories : int
        Learned keys and values of each attention.
    self_condition : bool
        Whether an earlier estimate of the data comes before x; zeros stand for none.
    """

    def __init__(self, channels, out_channels, initial, width, widths, attention, memories=4, self_condition=False):
        super().__init__()
        self.self_condition, self.width = self_condition, width
        self.init_conv = nn.Conv2d(channels * (1 + self_condition), initial, 7, padding=3)
        self.time_mlp = nn.Sequential(nn.Identity(), nn.Linear(width, 4 * width), nn.GELU(),
                                      nn.Linear(4 * width, 4 * width))
        given, last = 4 * width, len(widths) - 1
        levels = list(zip([initial, *widths[:-1]], widths, attention, strict=True))
        self.downs = nn.ModuleList(
            nn.ModuleList([_Block(a, a, given), _Block(a, a, given), _attention(a, *kind, memories),
                           _smaller(a, b) if k < last else nn.Conv2d(a, b, 3, padding=1)])
            for k, (a, b, kind) in enumerate(levels))
        inner = widths[-1]
        self.mid_block1, self.mid_block2 = _Block(inner, inner, given), _Block(inner, inner, given)
        self.mid_attn = _attention(inner, True, *attention[-1][1:], memories)
        self.ups = nn.ModuleList(
            nn.ModuleList([_Block(a + b, b, given), _Block(a + b, b, given), _attention(b, *kind, memories),
                           _larger(b, a) if k < last else nn.Conv2d(b, a, 3, padding=1)])
            for k, (a, b, kind) in enumerate(reversed(levels)))
        self.final_res_block = _Block(2 * initial, initial, given)
        self.final_conv = nn.Conv2d(initial, out_channels, 1)

    def forward(self, x, step):
        """Return the output, shape (b, out_channels, h, w)."""
        h = first = self.init_conv(torch.cat([torch.zeros_like(x), x], 1) if self.self_condition else x)
        given, kept = self.time_mlp(_sinusoids(step, self.width)), []
        for block1, block2, attention, smaller in self.downs:
            kept.append(h := block1(h, given))
            h = block2(h, given)
            kept.append(h := h + attention(h))
            h = smaller(h)
        h = self.mid_block1(h, given)
        h = self.mid_block2(h + self.mid_attn(h), given)
        for block1, block2, attention, larger in self.ups:
            h = block2(torch.cat([block1(torch.cat([h, kept.pop()], 1), given), kept.pop()], 1), given)
            h = larger(h + attention(h))
        return self.final_conv(self.final_res_block(torch.cat([h, first], 1), given))


class _Norm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x):
        return nn.functional.normalize(x, dim=1) * (self.g * math.sqrt(x.shape[1]))


class _Half(nn.Module):
    def __init__(self, channels, out_channels):
        super().__init__()
        self.proj, self.norm = nn.Conv2d(channels, out_channels, 3, padding=1), _Norm(out_channels)

    def forward(self, x, scale=0, shift=0):
        return nn.functional.silu(self.norm(self.proj(x)) * (scale + 1) + shift)


class _Block(nn.Module):
    def __init__(self, channels, out_channels, given):
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(given, 2 * out_channels))
        self.block1, self.block2 = _Half(channels, out_channels), _Half(out_channels, out_channels)
        self.res_conv = nn.Identity() if channels == out_channels else nn.Conv2d(channels, out_channels, 1)

    def forward(self, x, given):
        scale, shift = self.mlp(given)[:, :, None, None].chunk(2, dim=1)
        return self.block2(self.block1(x, scale, shift)) + self.res_conv(x)


class _Attention(nn.Module):
    """Attention over positions; `inner` are channels of all heads."""

    def __init__(self, channels, heads, inner, memories):
        super().__init__()
        self.heads, self.norm = heads, _Norm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        self.mem_kv = nn.Parameter(torch.zeros(2, heads, memories, inner // heads))
        self.to_out = nn.Conv2d(inner, channels, 1)

    def _parts(self, x, memories):
        """Return q, k, v with the memories before k and v, each of shape (b, heads, positions, channels)."""
        q, k, v = self.to_qkv(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1)).transpose(3, 4).unbind(1)
        first = memories[:, None].expand(-1, len(x), -1, -1, -1)
        return q, torch.cat([first[0], k], 2), torch.cat([first[1], v], 2)

    def forward(self, x):
        mixed = nn.functional.scaled_dot_product_attention(*self._parts(x, self.mem_kv))
        return self.to_out(mixed.transpose(2, 3).reshape(len(x), -1, *x.shape[2:]))


class _Linear(_Attention):
    """Attention whose weights are a product: softmax of q over channels, of k over positions."""

    def __init__(self, channels, heads, inner, memories):
        super().__init__(channels, heads, inner, memories)
        self.mem_kv = nn.Parameter(torch.zeros(2, heads, inner // heads, memories))
        self.to_out = nn.Sequential(nn.Conv2d(inner, channels, 1), _Norm(channels))

    def forward(self, x):
        q, k, v = self._parts(x, self.mem_kv.transpose(2, 3))
        q = q.softmax(3) / math.sqrt(q.shape[3])
        mixed = q @ (k.softmax(2).transpose(2, 3) @ v)
        return self.to_out(mixed.transpose(2, 3).reshape(len(x), -1, *x.shape[2:]))


def looks_like(state):
    """Return whether a state dict is of such a network."""
    return isinstance(state, dict) and set(MARKS) <= set(state)


def infer(state):
    """Return the constructor arguments that belong to a state dict.

    Raises
    ------
    FmdiagError
        If it is no such network.
    """
    try:
        n_levels = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("downs."))
        initial, inputs, *_ = state["init_conv.weight"].shape
        outputs = len(state["final_conv.weight"])
        ends = [next(state[name] for name in (f"downs.{k}.3.1.weight", f"downs.{k}.3.weight") if name in state)
                for k in range(n_levels)]
        attention = [_kind(state, f"downs.{k}.2") for k in range(n_levels)]
    except (KeyError, ValueError, StopIteration) as error:
        raise FmdiagError(f"no U-Net of denoising-diffusion-pytorch 2 ({error}): name its class by --model card.toml "
                          "with factory = \"denoising_diffusion_pytorch:Unet\"") from error
    self_condition = inputs == 2 * outputs
    return {"channels": inputs // (1 + self_condition), "out_channels": outputs, "initial": initial,
            "width": state["time_mlp.1.weight"].shape[1], "widths": [len(end) for end in ends], "attention": attention,
            "memories": state["mid_attn.mem_kv"].shape[2], **({"self_condition": True} if self_condition else {})}


def _kind(state, name):
    full = f"{name}.to_out.weight" in state
    heads = state[f"{name}.mem_kv"].shape[1]
    return [full, heads, state[f"{name}.mem_kv"].shape[3 if full else 2]]


def _attention(channels, full, heads, head_channels, memories):
    return (_Attention if full else _Linear)(channels, heads, heads * head_channels, memories)


def _smaller(channels, out_channels):
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, out_channels, 1))


def _larger(channels, out_channels):
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(channels, out_channels, 3, padding=1))


def _sinusoids(step, width):
    """Return sines and cosines of steps, shape (b, width): frequencies 1 to 1e-4, both ends included."""
    half = width // 2
    rates = torch.exp(torch.arange(half, device=step.device) * (-math.log(10000) / (half - 1)))
    angles = step[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
