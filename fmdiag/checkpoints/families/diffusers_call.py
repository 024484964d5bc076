"""How a diffusers network is called: with a sample, a time, class labels and fixed conditions from a file.

What a network needs beside these (text embeddings, pooled projections) often has the default None in its signature and
fails only when it is called: classes whose call is not known are tried on zeros.
"""

import inspect

import torch

from fmdiag.checkpoints.calls import calling
from fmdiag.checkpoints.conditions import in_words, used_of
from fmdiag.errors import FmdiagError

KNOWN = ("UNet2DModel", "DiTTransformer2DModel")
TIME, LABELS = "timestep", "class_labels"
# Arguments that stand for a condition; others with a default only tune how the network computes.
CONDITIONS = ("encoder_hidden_states", "pooled_projections", "encoder_attention_mask", "guidance", "img_ids", "txt_ids",
              "added_cond_kwargs", "timestep_cond", "controlnet_cond", "image_rotary_emb", "pooled_projection")
WAY_ON = ("give them as tensors of one sample under these names in a file, --condition embeddings.safetensors; or wrap "
          "it in a class of your own with a fixed condition, forward(x, t), save that one's state_dict() and name its "
          "class by --model card.toml with family = \"module\" and a factory")


def check_signature(cls, folder, conditions=()):
    """Return the class, unless its call has no time, takes no such conditions, or must be given more than them."""
    parameters = inspect.signature(cls.forward).parameters
    names = list(parameters)[2:]
    needed = [name for name in names if parameters[name].default is inspect.Parameter.empty
              and parameters[name].kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
              and name not in (TIME, LABELS, *conditions)]
    strange = [name for name in used_of(conditions) if name.partition(".")[0] not in names]
    if strange:
        raise FmdiagError(f"{folder}: {cls.__name__} takes no {', '.join(strange)}: its conditions are "
                          f"{', '.join(name for name in CONDITIONS if name in names) or 'none'}")
    if needed:
        raise FmdiagError(f"{folder}: {cls.__name__} needs {', '.join(needed)}; {WAY_ON}")
    if TIME not in names:
        raise FmdiagError(f"{folder}: {cls.__name__} takes no {TIME}: it is no velocity field or denoiser; give the "
                          "folder of the network that is")
    return cls


def check_call(call, module, config, shape, n_classes, folder):
    """Raise FmdiagError unless the network answers x, a time and labels with an output of x's channels.

    Parameters
    ----------
    call : callable
        As `call_with` returns it.
    module : torch.nn.Module
        With its weights.
    config : dict
        Its configuration.
    shape : tuple
        (c, h, w) of one sample, sides None where any fits.
    n_classes : int
        Class labels that it takes.
    folder : Path
        For the message.
    """
    name, channels = type(module).__name__, shape[0]
    outputs = config.get("out_channels") or channels
    if outputs not in (channels, 2 * (channels or 0)):
        raise FmdiagError(f"{folder}: {name} makes {outputs} channels of {channels}: it takes more than the sample; "
                          f"{WAY_ON}")
    if config.get("class_embed_type") not in (None, "None"):
        raise FmdiagError(f"{folder}: {name} takes class embeddings of type {config['class_embed_type']!r}; {WAY_ON}")
    if name not in KNOWN or call.conditions:
        _try(call, module, shape, n_classes, folder)


def _try(call, module, shape, n_classes, folder):
    x = torch.zeros(1, shape[0] or 1, *(side or 32 for side in shape[1:]))
    labels = torch.zeros(1, dtype=torch.long) if n_classes else None
    try:
        with torch.no_grad():
            found = call(module.eval(), x, torch.ones(1), labels)
    except Exception as error:
        # Each network fails in its own way where a condition is None.
        given = inspect.signature(module.forward).parameters
        wanted = ", ".join(name for name in CONDITIONS if name in given) or "more than x, a time and class labels"
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        with_what = f"with {in_words(call.conditions)}" if call.conditions else "alone"
        raise FmdiagError(f"{folder}: {type(module).__name__} fails on x of shape {tuple(x.shape[1:])} and a time "
                          f"{with_what} ({reason}): it needs {wanted}; {WAY_ON}") from error
    if found.shape != x.shape:
        raise FmdiagError(f"{folder}: {type(module).__name__} returns shape {tuple(found.shape[1:])} for x of shape "
                          f"{tuple(x.shape[1:])}; {WAY_ON}")


def call_with(conditions):
    """Return the call that gives these fixed tensors too; its answer is without the learned variance."""
    added = "".join(f", {name}={name}" for name in used_of(conditions))
    return calling(f"x, {TIME}=t, {LABELS}=y{added}", "sample", True, conditions)
