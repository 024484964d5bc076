"""torchcfm checkpoints: ``net(t, x, y=None)``, t in [0, 1], 0 = noise; u = output for icfm, otcfm and fm.

File of its CIFAR-10 example: {net_model, ema_model, sched, optim, step}; keys may start with ``module.``. It records
neither the architecture (inferred from shapes) nor the coupling (assumed independent: --coupling ot where it was not)
nor the path (assumed straight: --path cosine for ``si``).

References
----------
Tong et al., "Improving and generalizing flow-based generative models with minibatch optimal transport",
arXiv 2302.00482.
"""

from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.families import guided_unet
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.places import is_state, look_up
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.checkpoints.states import choose_state
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath

ATTENTION = ("num_heads", "num_head_channels", "use_new_attention_order")


def recognise(source):
    """Return whether the file has torchcfm's keys; ema_pytorch keeps averages under ``ema_model`` too, with a flag."""
    return source.kind == "tensors" and any(is_state(source.content[key]) and "initted" not in source.content[key]
                                            for key in {"net_model", "ema_model"} & source.keys())


def load(source, choices):
    """Return the Foreign network of a torchcfm file."""
    chosen = choose_state(source, choices)
    network, assumed, module, facts = unet_or_factory(chosen, choices, source.file)
    read = {"network": network, **facts}
    (assumed if chosen.assumed else read)["weights"] = chosen.kind
    if isinstance(step := look_up(source.content, "step"), int):
        read["steps"] = step
    classes = network.get("num_classes") or 0
    # Its CIFAR-10 example flips every picture at random; nothing in the file says whether this is that example.
    assumed |= {"coupling": "independent", "hflip": is_cifar_example(network), "data_range": [-1, 1]}
    return Foreign("torchcfm", module, call, Convention(PathSchedule(LinearPath())), read, assumed,
                   shape_of(network), n_classes=classes)


def call(module, x, time, labels):
    """Return the output; time comes first."""
    return module(time, x) if labels is None else module(time, x, labels)


def unet_or_factory(chosen, choices, file, **attention):
    """Return (network, what of it is assumed, module, facts) of a guided-diffusion U-Net or a card's factory.

    `chosen` holds the weights, `attention` what a family's example says about attention, which no tensor's shape tells.
    """
    if choices.factory:
        module, facts = chosen.into(chosen.module)
        return {"name": choices.factory, **choices.arguments}, {}, module, facts
    state = chosen.inferred(guided_unet.MARKS)
    if not guided_unet.looks_like(state):
        raise FmdiagError(f"{file}: these tensors are of no network that fmdiag can infer: name its class by "
                          "--model card.toml with a factory")
    try:
        arguments = guided_unet.infer_arguments(state, heads=choices.heads)
    except FmdiagError:
        raise
    except (KeyError, IndexError, ValueError) as error:
        raise FmdiagError(f"{file}: the U-Net cannot be inferred from its tensors ({error}): name its class by "
                          "--model card.toml with a factory") from error
    arguments |= {k: v for k, v in attention.items() if choices.heads is None or "heads" not in k} | choices.arguments
    module, facts = chosen.into(guided_unet.build(arguments))
    heads = {key: arguments.pop(key) for key in ATTENTION if key in arguments}
    has_attention = any(name.endswith("qkv.weight") for name in state)
    network = {"name": "torchcfm UNetModel", **{k: v for k, v in arguments.items() if v is not None}}
    return network, ({"attention": heads} if has_attention else {}), module, facts


def shape_of(network):
    """Return (channels, any, any) for a U-Net, None for a factory's network."""
    return (network["in_channels"], None, None) if "in_channels" in network else None


def is_cifar_example(network):
    """Return whether the U-Net is that of the CIFAR-10 example: RGB, 4 levels (1, 2, 2, 2), 2 blocks each."""
    return network.get("in_channels") == 3 and network.get("channel_mult") == [1, 2, 2, 2]
