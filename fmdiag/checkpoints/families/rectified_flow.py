"""RectifiedFlow checkpoints: ``net(x, 999 t)``, t in [1e-3, 1], 0 = noise; u = output.

File: {optimizer, model (keys start with ``module.``), ema: {decay, num_updates, shadow_params: list}, step}. The
network (DDPM++, NCSN++ by a config) is a class of that repository: a model card names it. score_sde, whose diffusion
models have another convention, writes the same file, so that the family must be given.

References
----------
Liu, Gong, Liu, "Flow Straight and Fast", arXiv 2209.03003.
"""

from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.places import is_state, look_up
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.checkpoints.states import choose_state
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath

TIME_SCALE = 999.0
SPAN = (1e-3, 1.0)
WAY_ON = ("name it by --model card.toml with factory = \"module:function\", and either family = \"rectified_flow\" "
          "or a [convention]: of score_sde's VP models path = \"vp\", time_direction = \"data-to-noise\", time_scale = "
          "999 and parameterisation = \"epsilon\", of VE ones path = \"ve\" and parameterisation = \"score\"")


def recognise(source):
    """Return False: score_sde's diffusion models and every user of torch_ema save the same keys."""
    return False


def has_layout(source):
    """Return whether the file has a list of averages beside a raw state dict."""
    return (source.kind == "tensors" and is_state(look_up(source.content, "model"))
            and isinstance(look_up(source.content, "ema.shadow_params"), list))


def load(source, choices):
    """Return the Foreign network of a RectifiedFlow file."""
    if not choices.factory:
        raise FmdiagError(f"{source.file}: a RectifiedFlow network is a class of that repository: {WAY_ON}")
    chosen = choose_state(source, choices)
    module, facts = chosen.into(chosen.module)
    read = {"steps": look_up(source.content, "step"), "ema_decay": look_up(source.content, "ema.decay"), **facts,
            "network": {"name": choices.factory, **choices.arguments}}
    assumed = {"coupling": "independent", "data_range": [-1, 1], "hflip": False}
    (assumed if chosen.assumed else read)["weights"] = chosen.kind
    return Foreign("rectified_flow", module, call, Convention(PathSchedule(LinearPath(), SPAN), time_scale=TIME_SCALE),
                   read, assumed)


def call(module, x, time, labels):
    """Return the output at times in [0, 999]."""
    return module(x, time)
