"""The nearest known layout of an unknown file: by the keys beside its tensors, and by the names of the tensors.

A network over tokens is none of them: discrete flow matching and masked diffusion have no velocity field.
"""

import re

from fmdiag.checkpoints.candidates import candidates

# Keys that a trainer saves, and what writes them.
LAYOUTS = {
    "Lightning": {"state_dict", "epoch", "global_step", "pytorch-lightning_version", "loops", "callbacks",
                  "optimizer_states", "lr_schedulers", "hyper_parameters"},
    "torchcfm's example": {"net_model", "ema_model", "sched", "optim", "step"},
    "flow_matching's image example": {"model", "optimizer", "lr_schedule", "epoch", "scaler", "args"},
    "DiT's and SiT's training script": {"model", "ema", "opt", "args"},
    "score_sde or RectifiedFlow": {"optimizer", "model", "ema", "step"},
    "denoising-diffusion-pytorch's Trainer": {"step", "model", "opt", "ema", "scaler", "version"},
    "EDM's training state": {"net", "optimizer_state"},
    "ema_pytorch": {"initted", "step", "online_model", "ema_model"},
    "k-diffusion's training script": {"config", "model", "model_ema", "opt", "sched", "ema_sched", "epoch", "step"},
}
LEAST = 0.4  # of keys in common, of those that either has
# Names of tensors by which a kind of network is known, after any prefix.
NETWORKS = {
    "a U-Net of guided-diffusion (torchcfm, flow_matching)": r"input_blocks\.0\.0\.weight",
    "a U-Net of diffusers": r"down_blocks\.0\.resnets\.0\.conv1\.weight",
    "a U-Net of denoising-diffusion-pytorch": r"downs\.0\.0\.(block1|mlp)\..*",
    "the U-Net of rectified-flow-pytorch": r"downs\.0\.0\.branch\..*",
    "NCSN++ or DDPM++ of score_sde and RectifiedFlow": r"all_modules\.0\.(weight|W)",
    "a U-Net of EDM": r"(model\.)?enc\.\d+x\d+_(conv|block0).*",
    "a diffusion transformer of DiT, SiT or LFM": r"blocks\.0\.adaLN_modulation\.1\.weight",
    "a transformer of diffusers": r"transformer_blocks\.0\.attn1?\.to_q\.weight",
    "an autoencoder, no network of a flow": r"(quant_conv|post_quant_conv)\.weight",
}
# What a card of such a file holds, where it is more than its class.
CARDS = {
    "k-diffusion's training script": 'its card: a factory that returns K.Denoiser(inner_model, sigma_data), path = '
                                     '"edm" and parameterisation = "x1" under [convention]',
    "the U-Net of rectified-flow-pytorch": 'its card: factory = "rectified_flow_pytorch.rectified_flow:Unet" with its '
                                           '[arguments]',
}
TOKENS = r"(.*\.)?(vocab_embed|vocab_embedding|token_embedding|token_embed|tok_embeddings|wte)(\.weight|\.embedding)?"
TIMES = r"(.*\.)?(time_embedding|time_embed|t_embedder|sigma_map|time_mlp)\..*"


def discrete(content):
    """Return what says that a file's network is over tokens and a time, as words; None where it is no such network.

    It embeds a vocabulary and returns as many numbers, a distribution over it (one more or less for a mask).
    """
    for state in (candidate.state or {} for candidate in candidates(content)[:3]):
        found = next(((name, w) for name, w in state.items() if re.fullmatch(TOKENS, name) and w.ndim == 2), None)
        if found is None or not any(re.fullmatch(TIMES, name) for name in state):
            continue
        name, vocabulary = found[0], len(found[1])
        if any(w.ndim == 2 and other != name and abs(len(w) - vocabulary) <= 1 for other, w in state.items()):
            return f"{name} embeds {vocabulary} tokens, and its output is a distribution over them"
    return None


def nearest(content):
    """Return which known layout and network a file's content is nearest to, for a message; empty where to none."""
    keys = {str(key).partition(".")[0] for key in content} if isinstance(content, dict) else set()
    shares = {name: len(keys & known) / len(keys | known) for name, known in LAYOUTS.items()} if keys else {}
    layout = max(shares, key=lambda name: shares[name], default=None)
    layout = layout if layout and shares[layout] >= LEAST else None
    parts = [f"keys like those of {layout}"] * bool(layout)
    names = [name for candidate in candidates(content)[:3] for name in candidate.state or ()]
    kind = next((kind for kind, mark in NETWORKS.items()
                 if any(re.fullmatch(rf"(.*\.)?{mark}", name) for name in names)), None)
    parts += [f"tensors like those of {kind}"] * bool(kind)
    return " and ".join(parts) + "".join(f" ({CARDS[known]})" for known in (layout, kind) if known in CARDS)
