"""U-Net of torchcfm and of the flow_matching example, whose files do not name it: found from its tensors.

Both are of the guided-diffusion kind: `time_embed`, `input_blocks`, `middle_block`, `output_blocks`, `out`. Shapes and
names tell every constructor argument except the number of attention heads, which is assumed and can be given.

References
----------
Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis", arXiv 2105.05233, section 3.
"""

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path

from fmdiag.errors import FmdiagError

HEAD_CHANNELS = 64
MARKS = ("time_embed.0.weight", "input_blocks.0.0.weight", "out.2.weight")


def looks_like(state):
    """Return whether a state dict is of this kind."""
    return isinstance(state, dict) and set(MARKS) <= set(state)


def infer_arguments(state, *, heads=None):
    """Return the constructor arguments of torchcfm's ``UNetModel`` for a state dict.

    Parameters
    ----------
    state : dict of str to Tensor
        As `looks_like` accepts it.
    heads : int, optional
        Attention heads; default: heads of 64 channels where that divides the channels, else one.
    """
    model_channels = state["time_embed.0.weight"].shape[1]
    n_outputs = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("output_blocks."))
    per_level = _blocks_per_level(state, n_outputs)
    if n_outputs % (per_level + 1):
        raise FmdiagError(f"cannot infer the U-Net: {n_outputs} output blocks are no whole number of levels")
    levels = n_outputs // (per_level + 1)
    firsts = [1 + level * (per_level + 1) for level in range(levels)]
    widths = [state[f"input_blocks.{k}.0.out_layers.3.weight"].shape[0] for k in firsts]
    attends = [2**level for level, k in enumerate(firsts) if f"input_blocks.{k}.1.qkv.weight" in state]
    shift = state["middle_block.0.emb_layers.1.weight"].shape[0] // state["middle_block.0.out_layers.3.weight"].shape[0]
    labels = state.get("label_emb.weight")
    return {"image_size": None, "in_channels": state["input_blocks.0.0.weight"].shape[1],
            "model_channels": model_channels, "out_channels": state["out.2.weight"].shape[0],
            "num_res_blocks": per_level, "attention_resolutions": attends,
            "channel_mult": [_multiple(width, model_channels) for width in widths],
            "num_classes": None if labels is None else labels.shape[0],
            "conv_resample": _resamples_by_convolution(state, levels), "use_scale_shift_norm": shift == 2,
            "resblock_updown": _updown(state), **_heads(state, heads)}


def build(arguments):
    """Return the untrained U-Net, of torchcfm's class.

    Raises
    ------
    FmdiagError
        If torchcfm is not installed.
    """
    return network_class()(**{"dropout": 0.0, **arguments})


@cache
def network_class():
    """Return torchcfm's ``UNetModel``.

    torchcfm's package root imports its optimal transport and with it POT: where that is absent the U-Net, which needs
    neither, is imported from its own folder.
    """
    found = importlib.util.find_spec("torchcfm")
    if found is None:
        raise FmdiagError("this checkpoint's network is a class of torchcfm, which is not installed: "
                          "pip install torchcfm --no-deps")
    folder = Path(found.origin).parent / "models" / "unet"
    name = "fmdiag_torchcfm_unet"
    place = importlib.util.spec_from_file_location(name, folder / "__init__.py",
                                                   submodule_search_locations=[str(folder)])
    sys.modules[name] = importlib.util.module_from_spec(place)
    place.loader.exec_module(sys.modules[name])
    return importlib.import_module(f"{name}.unet").UNetModel


def _blocks_per_level(state, n_outputs):
    """Return residual blocks per level: the first output block that upsamples ends the lowest level."""
    present = {int(name.split(".")[1]) for name in state if name.startswith("input_blocks.")}
    gaps = [k for k in range(1, max(present)) if k not in present]  # average pooling has no tensors
    ups = sorted(int(found[1]) for name in state if (found := re.match(
        r"output_blocks\.(\d+)\.[1-9]\.(conv\.weight|in_layers\.2\.weight)", name)))
    if gaps:
        return gaps[0] - 1
    return ups[0] if ups else n_outputs - 1


def _resamples_by_convolution(state, levels):
    return levels == 1 or _updown(state) or any(re.match(r"input_blocks\.\d+\.0\.op\.weight", name) for name in state)


def _updown(state):
    return any(re.match(r"output_blocks\.\d+\.[1-9]\.in_layers\.2\.weight", name) for name in state)


def _multiple(width, model_channels):
    ratio = width / model_channels
    return int(ratio) if ratio == int(ratio) else ratio


def _heads(state, heads):
    widths = [w.shape[0] // 3 for name, w in state.items() if name.endswith("qkv.weight")]
    if heads is not None:
        if any(width % heads for width in widths):
            raise FmdiagError(f"--heads {heads} does not divide the channels that attend: "
                              f"{', '.join(map(str, sorted(set(widths))))}")
        return {"num_heads": heads, "num_head_channels": -1}
    if all(width % HEAD_CHANNELS == 0 for width in widths):
        return {"num_heads": 1, "num_head_channels": HEAD_CHANNELS}
    return {"num_heads": 1, "num_head_channels": -1}
