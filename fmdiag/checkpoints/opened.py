"""The Checkpoint of a network that a family has read: every choice of the user is applied here, once."""

from torch import nn

from fmdiag.checkpoints import cautions
from fmdiag.checkpoints.checkpoint import Checkpoint
from fmdiag.checkpoints.conditions import described
from fmdiag.checkpoints.families.torchcfm import ATTENTION
from fmdiag.checkpoints.foreign import ASSUMED, GIVEN, READ, ForeignField
from fmdiag.checkpoints.initial_share import young
from fmdiag.checkpoints.labels import called, condition, unconditional
from fmdiag.checkpoints.named_schedules import named_schedule
from fmdiag.checkpoints.sampler import SamplerField, takes_of
from fmdiag.checkpoints.schedules import DiscreteSchedule
from fmdiag.checkpoints.script_facts import script_facts
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath

# Keys of a card's [convention] that name a diffusion schedule.
SCHEDULED = {"alphas_cumprod", "sigma_min", "sigma_max"}


def finished(foreign, source, choices, device):
    """Return the Checkpoint of a `Foreign` network under the user's choices."""
    foreign.convention = foreign.convention.overridden(
        parameterisation=choices.parameterisation, time_direction=choices.time_direction,
        time_scale=choices.time_scale, path=choices.path,
        steps=choices.convention.get("steps") or _table_of_steps(foreign, choices),
        step_offset=choices.convention.get("step_offset"))
    foreign.own_class = bool(choices.factory)
    called(foreign, choices)
    if choices.condition is not None and not getattr(foreign.call, "conditions", None):
        raise FmdiagError(f"condition {choices.condition}: networks of family {foreign.family} are given none: name "
                          "the class by a model card with factory and call")
    foreign.condition = choices.condition
    label, guidance = condition(foreign, choices, source.file)
    facts, null_cautions = unconditional(foreign, source.content, label, guidance)
    read = script_facts(source.content) | foreign.read | facts.get(READ, {})
    assumed = foreign.assumed | facts.get(ASSUMED, {})
    convention = foreign.convention.describe()
    (read if foreign.convention_read else assumed).update(convention)
    given = _given(choices, {**assumed, **read})
    values = {**assumed, **read, **given}
    origin = {**dict.fromkeys(assumed, ASSUMED), **dict.fromkeys(read, READ), **dict.fromkeys(given, GIVEN)}
    parameters = sum(p.numel() for p in foreign.module.parameters())
    # Every field is converted to the straight path, so û* is that of the straight path.
    description = {"family": foreign.family, **values, "parameters": parameters, "path": LinearPath().describe(),
                   "class_label": label, "guidance": guidance, "dataset": {"hflip": bool(values.get("hflip"))},
                   "loss": values.get("loss"), "origin": origin,
                   "warnings": _warnings(foreign, values, given, label, guidance) + null_cautions
                   + young(foreign.family, source.content, values)}
    if not hasattr(foreign.module, "graph_module") and hasattr(foreign.module, "to"):
        foreign.module.to(device)
    field = (_sampler(foreign, choices, description, label) if choices.kind == "sampler" else
             ForeignField(foreign, label=label, guidance=guidance))
    return Checkpoint(field, description, LinearPath(), source.file, source.sha256)


def _sampler(foreign, choices, description, label):
    """Return the SamplerField of a network of the user's class, and note in the description what it is."""
    takes = takes_of(str(description.get("call") or ""))
    if foreign.family not in ("module", "meanflow") or takes is None or description["guidance"] != 1:
        raise FmdiagError("kind = \"sampler\" in the model card: name the network's class as factory with family "
                          "\"module\", and a call of \"x\", \"x, t\" or \"x, t, r\"; --guidance is left out")
    description |= {"kind": "sampler", "sampler_steps": choices.n_steps or 1}
    description["origin"] |= {"kind": GIVEN, "sampler_steps": GIVEN if choices.n_steps else ASSUMED}
    return SamplerField(foreign, takes=takes, most_steps=choices.n_steps or 1, label=label)


def _table_of_steps(foreign, choices):
    """Return the length of a class's table of steps where its discrete schedule has as many, else None.

    A table has no rows between whole steps.
    """
    schedule = named_schedule(choices.path) if isinstance(choices.path, str) else foreign.convention.schedule
    if not choices.factory or not isinstance(schedule, DiscreteSchedule):
        return None
    tables = {part.num_embeddings for part in foreign.module.modules() if isinstance(part, nn.Embedding)}
    n = len(schedule.abar)
    return n if n in tables and n not in (foreign.n_classes, choices.n_classes) else None


def _given(choices, found):
    """Return what the user decided, by the name of the fact that it decides; `found` has the values that follow."""
    given = {"coupling": choices.coupling, "heads": choices.heads, "parameterisation": choices.parameterisation,
             "hflip": choices.data.get("hflip"), "data_range": choices.data.get("range"),
             "augmentation": choices.data.get("augmentation"), "output": choices.output,
             "weights_key": choices.weights_key, "prefix": choices.prefix,
             "condition": choices.condition and described(choices.condition, choices.conditions)}
    decides = {"weights": choices.weights, "schedule": choices.path or choices.convention.keys() & SCHEDULED,
               "time": choices.time_direction or choices.time_scale, "call": choices.call,
               "attention": choices.heads or choices.arguments.keys() & set(ATTENTION)}
    given |= {name: found.get(name) for name, decided in decides.items() if decided}
    return {name: value for name, value in given.items() if value is not None}


def _warnings(foreign, values, given, label, guidance):
    warnings = list(foreign.warnings)
    if values.get("coupling") == "ot":
        warnings.append(cautions.OT)
    # EDM's networks are given the alteration as a condition, and are asked without any.
    told = values.get("augmentation") or "none"
    if told.lower() != "none" and (foreign.family != "edm" or "augmentation" in given):
        warnings.append(cautions.augmented(told))
    if values.get("hflip"):
        warnings.append(cautions.FLIPS)
    if label is not None and label != foreign.null_label:
        warnings.append(cautions.class_conditional(label))
    if values.get("condition"):
        warnings.append(cautions.fixed_condition(values["condition"]))
    if guidance != 1:
        warnings.append(cautions.guided(guidance))
    low, high = foreign.convention.reachable
    if low > 0 or high < 1:
        warnings.append(cautions.unreachable(low, high))
    return warnings
