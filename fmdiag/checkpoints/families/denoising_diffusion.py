"""Files of denoising-diffusion-pytorch's Trainer: {step, model, opt, ema, scaler, version} of a GaussianDiffusion.

The state dict of the whole process holds its schedule (alphas_cumprod, over whole steps, 0 = clean) and the weights of
its loss, by which the objective is told: with snr = abar / (1 - abar) and c = min(snr, gamma), or snr without gamma,
they are c / snr for epsilon, c for x1 and c / (snr + 1) for v. Its network lies under ``model.``.

References
----------
Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models", arXiv 2006.11239. Hang et al., "Efficient Diffusion
Training via Min-SNR Weighting Strategy", arXiv 2303.09556.
"""

import numpy as np

from fmdiag.checkpoints.calls import calling, order_of
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.families import lucidrains_unet
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.places import is_state, look_up
from fmdiag.checkpoints.schedules import DiscreteSchedule
from fmdiag.checkpoints.states import choose_state
from fmdiag.errors import FmdiagError

BUFFERS = {"alphas_cumprod", "posterior_mean_coef1", "posterior_mean_coef2", "sqrt_recipm1_alphas_cumprod"}
CLOSE = 1e-3  # of the weights, which were computed in float32 or float64 of the same numbers


def recognise(source):
    """Return whether the file has a Gaussian diffusion with its schedule under `model`."""
    state = look_up(source.content, "model") if source.kind == "tensors" else None
    return is_state(state) and BUFFERS <= set(state)


def load(source, choices):
    """Return the Foreign network of a file."""
    chosen = choose_state(source, choices)
    process = look_up(source.content, "model")
    # This buffer is sigma / alpha; of abar itself float32 keeps few digits where it is near 1.
    abar = 1 / (1 + process["sqrt_recipm1_alphas_cumprod"].double().square().numpy())
    if choices.factory:
        network, module, channels = {"name": choices.factory, **choices.arguments}, chosen.module, None
        order, _ = order_of(module, choices)
    else:
        network, module = _inferred(chosen, choices, source.file)
        channels, order = network["channels"], "x, t"
    module, facts = chosen.into(module)
    read = {"network": network, **facts}
    assumed = {"coupling": "independent", "hflip": True, "data_range": [-1, 1]}  # its Trainer flips unless told not to
    (assumed if chosen.assumed else read)["weights"] = chosen.kind
    if isinstance(step := look_up(source.content, "step"), int):
        read["steps"] = step
    objective = objective_of(process.get("loss_weight"), abar)
    convention = Convention(DiscreteSchedule(abar), objective or "epsilon")
    return Foreign("denoising_diffusion", module, calling(order, choices.output, None, choices.conditions), convention,
                   read, assumed, channels and (channels, None, None), n_classes=choices.n_classes or 0,
                   null_label=choices.null_label, convention_read=objective is not None)


def objective_of(weights, abar):
    """Return ``"epsilon"``, ``"x1"`` or ``"v"`` as the loss's weights over the steps tell; None where they do not."""
    if weights is None:
        return None
    weights, snr = weights.double().numpy(), abar / (1 - abar)
    for objective, clipped in (("epsilon", weights * snr), ("x1", weights), ("v", weights * (snr + 1))):
        if np.allclose(clipped, np.minimum(snr, clipped.max()), rtol=CLOSE, atol=0):
            return objective
    return None


def _inferred(chosen, choices, file):
    state = chosen.inferred(lucidrains_unet.MARKS)
    if not lucidrains_unet.looks_like(state):
        raise FmdiagError(f"{file} is of denoising-diffusion-pytorch's Trainer, with a network that is not its U-Net "
                          "of version 2: name its class by --model card.toml with a factory, e.g. "
                          "factory = \"denoising_diffusion_pytorch:Unet\" and its [arguments]; schedule and objective "
                          "are read from the file")
    try:
        arguments = lucidrains_unet.infer(state) | choices.arguments
    except FmdiagError as error:
        raise FmdiagError(f"{file}: {error}") from error
    return {"name": "denoising-diffusion-pytorch Unet", **arguments}, lucidrains_unet.Unet(**arguments)
