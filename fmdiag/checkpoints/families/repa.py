"""Files of SiT's network in the convention of REPA and of MeanFlow in PyTorch: path types in lower case, t = 0 data.

    REPA        m(x, t, y) -> (v, projections);  x_t = (1 - t) x1 + t x0 (linear), cos(pi t / 2) x1 + sin(pi t / 2) x0
    MeanFlow    m(x, r, t, y) -> mean velocity from t to r; its own velocity field has r = t

v = dx_t / dt along this time. File: {model, ema, opt, args, steps}. REPA's projectors, which training alone needs, are
left out. MeanFlow's file is that of a training script that embeds t and t - r.

References
----------
Yu et al., "Representation Alignment for Generation", arXiv 2410.06940. Geng et al., "Mean Flows for One-step Generative
Modeling", arXiv 2505.13447.
"""

import re
from dataclasses import replace

from fmdiag.checkpoints.cautions import GUIDED_TARGET
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.errors import check_choice
from fmdiag.paths import CosinePath, LinearPath

PATHS = {"linear": LinearPath(), "cosine": CosinePath()}
PROJECTOR = r"(.*\.)?projectors\.\d+\..+"
SECOND = "r_embedder.mlp.0.weight"
CALL = "x, r, t, y"


def convention_of(arguments):
    """Return (Convention, facts that were read) of a script's arguments; linear where they name no path."""
    path = check_choice("REPA path_type", arguments.get("path_type", "linear"), PATHS)
    check_choice("REPA prediction", arguments.get("prediction", "v"), ("v",))
    convention = Convention(PathSchedule(PATHS[path]), "velocity", time_direction="data-to-noise")
    return convention, {"path_type": path} if "path_type" in arguments else {}


def has_projectors(state):
    """Return whether a state dict has REPA's projectors."""
    return isinstance(state, dict) and any(re.fullmatch(PROJECTOR, str(name)) for name in state)


def without_projectors(chosen):
    """Return the `Chosen` weights with projectors among what is dropped, which the description names."""
    return replace(chosen, candidate=_dropped(chosen.candidate), raw=chosen.raw and _dropped(chosen.raw))


def _dropped(candidate):
    beside = {name: w for name, w in (candidate.state or {}).items() if re.fullmatch(PROJECTOR, name)}
    if not beside:
        return candidate
    kept = {name: w for name, w in candidate.state.items() if name not in beside}
    return replace(candidate, state=kept, dropped={**candidate.dropped, **beside})


def cautions(arguments):
    """Return the caution about a mean flow that was trained on guided velocities."""
    omega = arguments.get("cfg_omega", 1.0)
    return [GUIDED_TARGET] if isinstance(omega, int | float) and omega != 1 else []
