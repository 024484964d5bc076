"""Class labels of a network: whether they reach it, and whether the label for no class was ever trained."""

from fmdiag.checkpoints import cautions
from fmdiag.checkpoints.calls import calling, order_of
from fmdiag.checkpoints.conditions import has_null
from fmdiag.checkpoints.foreign import ASSUMED, READ
from fmdiag.checkpoints.places import arguments_of
from fmdiag.errors import FmdiagError

# How often training replaces a class by none, under the names that training scripts give it.
DROPOUT = ("class_dropout_prob", "class_drop_prob", "label_dropout", "label_drop_prob", "label_dropout_prob",
           "class_dropout", "cond_drop_prob", "cond_dropout", "cfg_dropout", "cfg_dropout_prob", "cfg_prob",
           "uncond_prob", "unconditional_prob", "p_uncond", "drop_label_prob")
OWN_LABELS = ("sit", "dit", "meanflow")  # families whose call passes labels to any class


def called(foreign, choices):
    """Let the card's `call`, `output` and `n_classes` decide how a family's network is called, where they are given."""
    if foreign.family in ("module", "edm", "diffusers"):
        return
    classes = choices.factory and choices.n_classes
    if classes:
        foreign.n_classes = choices.n_classes
    foreign.null_label = choices.null_label if choices.null_label is not None else foreign.null_label
    passes = foreign.family in OWN_LABELS or _takes_extra(foreign)
    if choices.call is None and choices.output is None and not choices.conditions and (passes or not classes):
        return
    order, _ = order_of(foreign.module, choices)
    foreign.call = calling(order, choices.output, foreign.family in OWN_LABELS, choices.conditions)
    foreign.read["call"] = order


def label_dropout(content):
    """Return how often training replaced a class by none, where the file keeps it; else None."""
    arguments = arguments_of(content)
    found = next((arguments[name] for name in DROPOUT if isinstance(arguments.get(name), int | float)), None)
    return None if found is None else float(found)


def condition(foreign, choices, file):
    """Return (label, guidance) that a network is asked with; a network without a label for none must be given one."""
    label, guidance = choices.class_label, 1.0 if choices.guidance is None else float(choices.guidance)
    if label is not None and not foreign.n_classes:
        card = ": give n_classes in the model card, or leave --class-label out" if choices.factory else ""
        raise FmdiagError(f"--class-label {label}: {file} has no class labels{card}")
    if label is not None and not 0 <= label < foreign.n_classes and label != foreign.null_label:
        raise FmdiagError(f"--class-label {label}: {file} has {foreign.n_classes} class labels, from 0")
    if guidance != 1 and (foreign.null_label is None or label is None) and not has_null(choices.conditions):
        raise FmdiagError(f"--guidance {guidance:g} needs --class-label and a network with a label for no class, or "
                          "a tensor null_NAME beside NAME in the file of the condition")
    if label is None and foreign.n_classes and foreign.family != "edm":
        if foreign.null_label is None:
            raise FmdiagError(f"{file} is a class-conditional model of {foreign.n_classes} classes without a label for "
                              "none: give --class-label")
        label = foreign.null_label
    return label, guidance


def unconditional(foreign, content, label, guidance):
    """Return (facts by origin, cautions) on the label for none, where it is used."""
    zeros = foreign.family == "edm" and foreign.n_classes and label is None
    dropout = label_dropout(content) if foreign.null_trained is None else None
    trained = dropout > 0 if dropout is not None else foreign.null_trained
    if label is not None and label != foreign.null_label and dropout == 1:
        return {}, [cautions.untrained_class(label)]
    if not zeros and (foreign.null_label is None or (label != foreign.null_label and guidance == 1)):
        return {}, []
    name = "all zeros" if zeros else str(foreign.null_label)
    if trained is False:
        return {READ: {"no_class": f"{name}, never trained"}}, [cautions.untrained_null(name)]
    return {READ if trained else ASSUMED: {"no_class": f"{name}, trained"}}, []


def _takes_extra(foreign):
    """Return whether a class takes flow_matching's dict of conditions, in which its family passes the label."""
    import inspect

    return foreign.family == "flow_matching" and "extra" in inspect.signature(foreign.module.forward).parameters
