"""Files of guided-diffusion and improved-diffusion: a bare state dict of their U-Net, ``m(x, step, y)`` -> epsilon.

Integer steps, 0 = clean ... 999, linear betas (assumed: --path ddpm-cosine, which both train by an option, is another);
with a learned variance the first half of the channels is epsilon. Without one the file is that of any network of this
kind, so that the family must be given. Class-conditional ones know no label for none.

References
----------
Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models", arXiv 2102.09672. Dhariwal and Nichol,
"Diffusion Models Beat GANs on Image Synthesis", arXiv 2105.05233.
"""

from fmdiag.checkpoints.calls import calling, order_of
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.families import guided_unet
from fmdiag.checkpoints.families.torchcfm import shape_of, unet_or_factory
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.schedules import ddpm_schedule
from fmdiag.checkpoints.states import choose_state

WAY_ON = ("is a bare state dict of the U-Net that guided-diffusion, improved-diffusion, torchcfm and flow_matching "
          "share, each with another convention: give --family guided_diffusion, torchcfm or flow_matching; --dataset "
          "tests which one fits")


def is_bare(source):
    """Return whether a file is a bare state dict of such a U-Net."""
    return source.kind == "tensors" and guided_unet.looks_like(source.content)


def recognise(source):
    """Return whether it is one with a learned variance, which only these libraries train."""
    if not is_bare(source):
        return False
    inputs, outputs = (source.content[name].shape for name in ("input_blocks.0.0.weight", "out.2.weight"))
    return len(inputs) == len(outputs) == 4 and outputs[0] == 2 * inputs[1]


def load(source, choices):
    """Return the Foreign network of a file."""
    chosen = choose_state(source, choices)
    network, assumed, module, facts = unet_or_factory(chosen, choices, source.file)
    read = {"network": network, **facts}
    (assumed if chosen.assumed else read)["weights"] = chosen.kind
    if network.get("out_channels") == 2 * network.get("in_channels", 0):
        read["learned_variance"] = True
    # guided-diffusion's script flips, and only its networks resample within residual blocks.
    assumed |= {"coupling": "independent", "hflip": bool(network.get("resblock_updown")), "data_range": [-1, 1]}
    call = calling("t, x, y", None, True)   # of torchcfm's copy of the class
    if choices.factory:
        order, _ = order_of(module, choices)
        call = calling(order, choices.output, True, choices.conditions)
    return Foreign("guided_diffusion", module, call, Convention(ddpm_schedule(), "epsilon"), read, assumed,
                   shape_of(network), n_classes=network.get("num_classes") or choices.n_classes or 0,
                   null_label=choices.null_label)
