"""Files of minRF: state dicts of its transformer DiT_Llama, ``m(x, t, y)``, t in [0, 1] with 0 = data.

x_t = (1 - t) x1 + t x0, and the output is dx_t / dt = x0 - x1, sampled from t = 1 to 0. Its script keeps no file of its
own: people save ``model.state_dict()``. The last row of the labels' table is the one for no class, as the class has it
unless its class_dropout_prob is 0.

References
----------
Simo Ryu, "minRF: minimal implementation of scalable rectified flow transformers", 2024.
"""

from fmdiag.checkpoints.calls import calling, order_of
from fmdiag.checkpoints.candidates import candidates
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.families import dit_llama
from fmdiag.checkpoints.fitting import prefixes_of
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.checkpoints.states import choose_state
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath


def recognise(source):
    """Return whether a state dict in the file, under any prefix, has its network."""
    return source.kind == "tensors" and any(prefixes_of(found.state, dit_llama.MARKS)
                                            for found in candidates(source.content)[:3] if found.state)


def load(source, choices):
    """Return the Foreign network of a file."""
    chosen = choose_state(source, choices)
    assumed, order = {"coupling": "independent", "data_range": [-1, 1]}, "x, t, y"
    if choices.factory:
        network, module, channels = {"name": choices.factory, **choices.arguments}, chosen.module, None
        order, _ = order_of(module, choices)
    else:
        network = _inferred(chosen, choices, source.file)
        module, channels = dit_llama.Transformer(**network), network["channels"]
        assumed["heads"] = network.pop("heads")  # no tensor's shape tells them
        network = {"name": "DiT_Llama", **network}
    module, facts = chosen.into(module)
    read = {"network": network, **facts}
    (assumed if chosen.assumed else read)["weights"] = chosen.kind
    assumed["hflip"] = channels == 3  # its example on CIFAR-10 flips, that on MNIST does not
    n_labels = network.get("n_labels", choices.n_classes or 0)
    null = choices.null_label if choices.null_label is not None or choices.factory else n_labels - 1
    convention = Convention(PathSchedule(LinearPath()), time_direction="data-to-noise")
    return Foreign("minrf", module, calling(order, choices.output, None, choices.conditions), convention, read, assumed,
                   channels and (channels, None, None), n_classes=n_labels, null_label=null)


def _inferred(chosen, choices, file):
    try:
        return dit_llama.infer(chosen.inferred(dit_llama.MARKS), choices.heads) | choices.arguments
    except FmdiagError as error:
        raise FmdiagError(f"{file}: {error}") from error
