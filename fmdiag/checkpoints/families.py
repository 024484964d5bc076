"""Which families does fmdiag read, and what becomes of a loaded one? Every choice of the user is applied here, once."""

from fmdiag.checkpoints import (
    cautions,
    diffusers_folder,
    edm,
    flow_matching,
    native,
    programs,
    rectified_flow,
    sit,
    torchcfm,
)
from fmdiag.checkpoints.checkpoint import Checkpoint
from fmdiag.checkpoints.foreign import ASSUMED, GIVEN, READ, ForeignField
from fmdiag.errors import FmdiagError
from fmdiag.paths import PATHS, LinearPath

# A further family is one module with `recognise(source)` and `load(source, choices)`, and one line here. The order is
# that of recognition: files that say more about themselves come first.
FAMILIES = {"native": native, "torchcfm": torchcfm, "rectified_flow": rectified_flow, "sit": sit.SiT, "dit": sit.DiT,
            "flow_matching": flow_matching, "diffusers": diffusers_folder, "edm": edm, "module": programs}


def finished(foreign, source, choices, device):
    """Return the Checkpoint of a `Foreign` network under the user's choices."""
    foreign.convention = foreign.convention.overridden(
        parameterisation=choices.parameterisation, time_direction=choices.time_direction,
        time_scale=choices.time_scale, path=choices.path)
    label, guidance = _condition(foreign, choices, source.file)
    read, assumed, given = dict(foreign.read), dict(foreign.assumed), _given(choices)
    convention = foreign.convention.describe()
    (read if foreign.convention_read else assumed).update(convention)
    values = {**assumed, **read, **given}
    origin = {**dict.fromkeys(assumed, ASSUMED), **dict.fromkeys(read, READ), **dict.fromkeys(given, GIVEN)}
    parameters = sum(p.numel() for p in foreign.module.parameters())
    # Every field is converted to the straight path, so û* is that of the straight path.
    description = {"family": foreign.family, **values, "parameters": parameters, "path": LinearPath().describe(),
                   "class_label": label, "guidance": guidance, "dataset": {"hflip": bool(values.get("hflip"))},
                   "loss": values.get("loss"), "origin": origin,
                   "warnings": _warnings(foreign, values, label, guidance)}
    if not hasattr(foreign.module, "graph_module") and hasattr(foreign.module, "to"):
        foreign.module.to(device)
    return Checkpoint(ForeignField(foreign, label=label, guidance=guidance), description, LinearPath(), source.file,
                      source.sha256)


def card_of(checkpoint):
    """Return the model card, a dict, that gives this checkpoint's reading explicitly."""
    known = checkpoint.description
    if known["family"] == "native":
        raise FmdiagError(f"{checkpoint.file} is a native checkpoint and needs no card: it says everything itself")
    convention = checkpoint.field.convention
    table = {"parameterisation": convention.parameterisation}
    schedule = known["schedule"]
    if schedule["name"] in PATHS:
        table |= {"time_direction": convention.time_direction, "time_scale": convention.time_scale}
        # A span narrower than [0, 1] is the family's own: naming the path again would widen it.
        if convention.schedule.span == (0.0, 1.0):
            table["path"] = schedule
    network = {k: v for k, v in known["network"].items() if k not in ("name", "shape")}
    is_factory = ":" in str(known["network"]["name"])
    return {"family": known["family"], "factory": known["network"]["name"] if is_factory else None,
            "weights": known["weights"], "call": known.get("call"), "class_label": known["class_label"],
            "guidance": None if known["guidance"] == 1 else known["guidance"], "coupling": known.get("coupling"),
            "heads": known.get("heads"), "arguments": network if is_factory else {}, "convention": table,
            "data": {"hflip": bool(known.get("hflip")), "range": known.get("data_range")}}


def _given(choices):
    given = {"coupling": choices.coupling, "heads": choices.heads, "parameterisation": choices.parameterisation,
             "attention": None if choices.heads is None else {"num_heads": choices.heads},
             "hflip": choices.data.get("hflip"), "data_range": choices.data.get("range")}
    return {name: value for name, value in given.items() if value is not None}


def _condition(foreign, choices, file):
    label, guidance = choices.class_label, 1.0 if choices.guidance is None else float(choices.guidance)
    if label is not None and not 0 <= label < max(foreign.n_classes, 1):
        raise FmdiagError(f"--class-label {label}: {file} has {foreign.n_classes or 'no'} class labels")
    if label is not None and not foreign.n_classes:
        raise FmdiagError(f"--class-label {label}: {file} has no classes")
    if guidance != 1 and (foreign.null_label is None or label is None):
        raise FmdiagError(f"--guidance {guidance:g} needs --class-label and a network with a label for no class")
    if label is None and foreign.n_classes and foreign.family != "edm":
        if foreign.null_label is None:
            raise FmdiagError(f"{file} is a class-conditional model of {foreign.n_classes} classes without a label for "
                              "none: give --class-label")
        label = foreign.null_label
    return label, guidance


def _warnings(foreign, values, label, guidance):
    warnings = list(foreign.warnings)
    if values.get("coupling") == "ot":
        warnings.append(cautions.OT)
    if values.get("hflip"):
        warnings.append(cautions.FLIPS)
    if label is not None and label != foreign.null_label:
        warnings.append(cautions.class_conditional(label))
    if guidance != 1:
        warnings.append(cautions.GUIDED)
    low, high = foreign.convention.reachable
    if low > 0 or high < 1:
        warnings.append(cautions.unreachable(low, high))
    return warnings
