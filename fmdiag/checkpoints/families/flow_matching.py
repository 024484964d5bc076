"""flow_matching checkpoints: the image example's files, and the library's own models through a card.

Image example: ``unet(x, t, extra={"label": y})``, t in [0, 1], 0 = noise, u = output. File: {model, optimizer,
lr_schedule, epoch, scaler, args: Namespace}; with averaging, `model` holds ``model.*`` (raw), ``shadow_params.{i}``
(averaged, in parameters() order) and ``num_updates``. Library: ``ModelWrapper(x=, t=)``; it saves no file of its own.

References
----------
Lipman et al., "Flow Matching Guide and Code", arXiv 2412.06264.
"""

from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.families.torchcfm import shape_of, unet_or_factory
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.places import arguments_of, is_state, look_up
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.checkpoints.states import choose_state
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath

EXAMPLE_KEYS = {"model", "epoch", "args"}


def recognise(source):
    """Return whether the file has the example's keys, or a state dict with its averages."""
    if source.kind != "tensors" or not is_state(source.content.get("model") if source.keys() else None):
        return False
    return "shadow_params.0" in source.content["model"] or is_example(source)


def is_example(source):
    """Return whether the file has the keys that the image example saves."""
    return EXAMPLE_KEYS <= source.keys() and bool({"lr_schedule", "scaler"} & source.keys())


def load(source, choices):
    """Return the Foreign network of a file of the image example."""
    arguments = arguments_of(source.content)
    if arguments.get("discrete_flow_matching"):
        raise FmdiagError(f"{source.file} was trained by discrete flow matching (args.discrete_flow_matching), which "
                          "has tokens and no velocity field: give a checkpoint of the continuous model")
    chosen = choose_state(source, choices)
    network, assumed, module, facts = unet_or_factory(chosen, choices, source.file,
                                                      **_attention(arguments.get("dataset")))
    read = {"network": network, "epochs": look_up(source.content, "epoch"), **facts,
            "trained_on": str(arguments["dataset"]) if "dataset" in arguments else None}
    (assumed if chosen.assumed else read)["weights"] = chosen.kind
    # The example flips every picture at random.
    assumed |= {"coupling": "independent", "hflip": "dataset" in arguments, "data_range": [-1, 1]}
    # The example's own class has one embedding more than classes, for none.
    labels = module.state_dict().get("label_emb.weight")
    n_rows = network.get("num_classes") or 0 if labels is None else len(labels)
    warnings = []
    if arguments.get("skewed_timesteps"):
        read["time_density"] = "skewed to small t"
    return Foreign("flow_matching", module, _call(choices), Convention(PathSchedule(LinearPath())), read, assumed,
                   shape_of(network), n_classes=n_rows, null_label=n_rows - 1 if n_rows else None, warnings=warnings)


def _attention(dataset):
    """Return the attention of the example's configurations: one head on CIFAR-10, heads of 64 channels on ImageNet."""
    several = dataset is not None and "imagenet" in str(dataset)
    heads = {} if several else {"num_heads": 1, "num_head_channels": -1}
    return {**heads, "use_new_attention_order": True}


def _call(choices):
    return call_example if choices.factory else call_unet


def call_example(module, x, time, labels):
    """Return the output of the example's own class; it changes the dict it is given, so each call gets a new one."""
    return module(x, time, extra={} if labels is None else {"label": labels})


def call_unet(module, x, time, labels):
    """Return the output of torchcfm's class with the example's weights: time comes first."""
    return module(time, x) if labels is None else module(time, x, labels)
