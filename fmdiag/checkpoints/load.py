"""Loading a checkpoint of any family, which is recognised by content, never by name."""

import warnings
from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path

import torch

from fmdiag.checkpoints.candidates import candidates
from fmdiag.checkpoints.choices import Choices
from fmdiag.checkpoints.factories import factory_facts
from fmdiag.checkpoints.families import FAMILIES, flow_matching, guided_diffusion, rectified_flow
from fmdiag.checkpoints.families.sit import is_bare
from fmdiag.checkpoints.nearest import discrete, nearest
from fmdiag.checkpoints.opened import finished
from fmdiag.checkpoints.places import outline
from fmdiag.checkpoints.source import open_checkpoint
from fmdiag.errors import FmdiagError, FmdiagWarning, check_choice, names_one_of

# Choices that are options of the command line too; the others stand in a model card only.
OPTIONS = ("weights_key", "prefix", "parameterisation", "time_direction", "time_scale", "path", "class_label",
           "guidance", "heads", "condition")
# Bundled checkpoints by the name of the example.
EXAMPLES = {"digits": "digits.pt", "fashion-mnist": "fashion-mnist-n60000.pt",
            "fashion-mnist-n100": "fashion-mnist-n100.pt"}


def load_checkpoint(path, *, ema=True, device="cpu", model=None, **choices):
    """Read a checkpoint of any family as a velocity field.

    Parameters
    ----------
    path : path
        File or diffusers folder.
    ema : bool
        Whether to use averaged weights where the file has them (it almost always should).
    device : str or torch.device
        Where the network is to compute.
    model : path, optional
        Model card (TOML or YAML) that says what the file does not; see `fmdiag.checkpoints.choices`.
    **choices
        Instead of what is read or assumed: `family`, `weights` (``"ema"`` or ``"raw"``), `weights_key`,
        `prefix`, `parameterisation`, `time_direction`, `time_scale`, `path_name`, `class_label`, `guidance`, `coupling`
        (``"independent"`` or ``"ot"``), `heads`, `condition` (file of fixed tensors, see
        `fmdiag.checkpoints.conditions`), `trust_code` (files may run code; also called `trust_pickle`).

    Returns
    -------
    Checkpoint
        With ``field(x, t)``, ``description``, ``path``, ``training_set()``, ``file`` and ``sha256``.

    Raises
    ------
    FmdiagError
        If the file is missing, damaged, of no known family or would run code, or weights do not fit or are not finite.

    Examples
    --------
    >>> checkpoint = load_checkpoint(bundled_checkpoint())
    >>> checkpoint.description["family"], checkpoint.training_set().n
    ('native', 1500)
    """
    return _opened(path, _decided(ema, model, choices), device, model)


def _opened(path, decided, device, model):
    source = open_checkpoint(path, trust_code=decided.trust_code, own_class=decided.factory is not None,
                             family=decided.family)
    try:
        checkpoint = _loaded(source, decided, device)
        if checkpoint.description["weights"] != "ema" or not checkpoint.description.get("other_weights"):
            return checkpoint
        other = replace(decided, weights="raw", weights_key=None, prefix=None)
        return replace(checkpoint, raw=lambda: _opened(path, other, device, model))
    except FmdiagError as error:
        card = "" if model is None or names_one_of(error, model) else f" (with model card {model})"
        file = "" if names_one_of(error, path, model) else f"{path}: "
        if not file + card:
            raise
        raise FmdiagError(f"{file}{error}{card}") from error
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        # Files of others hold anything where a family expects its own: each kind cannot be foreseen.
        raise FmdiagError(f"{path}: its content is not what its family has ({type(error).__name__}: {error}): check "
                          "the file, --family and --model") from error


def _loaded(source, decided, device):
    family = _family(source, decided)
    if family == "native":
        return _native(source, decided, device)
    with warnings.catch_warnings():
        # Remarks of libraries on arrays and schedules that a file spells; ours are heard.
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", FmdiagWarning)
        foreign = FAMILIES[family].load(source, decided)
    checkpoint = finished(foreign, source, decided, device)
    checkpoint.description.update({**source.trusted, **factory_facts(decided)})
    return checkpoint


def bundled_checkpoint(example="digits"):
    """Return the path of a checkpoint that comes with fmdiag.

    Parameters
    ----------
    example : str
        ``"digits"``: an MLP trained on the digits; ``"fashion-mnist"``: a U-Net trained on all of Fashion-MNIST, which
        generalises, or ``"fashion-mnist-n100"``: on a hundred of them, which copies. The last two need the data.

    Raises
    ------
    FmdiagError
        If there is none of that name.
    """
    return Path(str(files("fmdiag.data") / EXAMPLES[check_choice("example", example, EXAMPLES)]))


def _decided(ema, model, choices):
    choices = {name: value for name, value in choices.items() if value is not None}
    for alias, name in (("path_name", "path"), ("trust_pickle", "trust_code")):
        if alias in choices:
            choices[name] = choices.pop(alias) or choices.get(name)
    if not ema:
        choices.setdefault("weights", "raw")
    for name in choices:
        check_choice("checkpoint option", name, Choices.__dataclass_fields__)
    decided = Choices(**choices)
    if model is None:
        return decided
    try:
        return decided.with_card(model)
    except FmdiagError as error:
        if names_one_of(error, model):
            raise
        raise FmdiagError(f"model card {model}: {error}") from error


def _family(source, choices):
    if choices.family is not None:
        return check_choice("family", choices.family, FAMILIES)
    # Averages as shadow_params belong to no family; with a class of the user's, its card leads.
    own = choices.factory and not flow_matching.is_example(source)
    for name, family in FAMILIES.items():
        if family.recognise(source) and not (own and name == "flow_matching"):
            return name
    if choices.factory:
        return "module"
    content, file = source.content, source.file
    if isinstance(content, dict) and content.get("format") == "fmdiag-training-state":
        raise FmdiagError(f"{file} is the state of a training run: give the checkpoint.pt beside it")
    if rectified_flow.has_layout(source):
        raise FmdiagError(f"{file} keeps its averages as shadow_params, as RectifiedFlow, score_sde and torch_ema do, "
                          f"and does not say what its network is: {rectified_flow.WAY_ON}")
    if guided_diffusion.is_bare(source):
        raise FmdiagError(f"{file} {guided_diffusion.WAY_ON}")
    if is_bare(source):
        raise FmdiagError(f"{file} is a bare state dict of the network that DiT, SiT and LFM share, each with another "
                          "convention: give --family dit, --family sit, or for LFM, whose time runs from data to "
                          "noise, --family sit --time-direction data-to-noise; --dataset tests which one fits")
    if (tokens := discrete(content)) is not None:
        raise FmdiagError(f"{file} is of a discrete flow matching or masked diffusion model ({tokens}): its states are "
                          "tokens, so that it has no velocity field and no û*; fmdiag measures models of real numbers")
    like = nearest(content)
    raise FmdiagError(f"{file} is of no known family ({outline(content)}{_held(content)}"
                      f"{'; ' * bool(like)}{like}): name its class by --model card.toml with factory = "
                      "\"file.py:Class\" and [convention] (`fmdiag checkpoint --write-card` begins one), or give "
                      "--family NAME (`fmdiag checkpoint --help` lists them)")


def _held(content):
    """Return which state dicts a file has, for the message."""
    found = candidates(content)
    if not found:
        return "; no state dict in it: save model.state_dict()"
    places = [f"{c.key or 'itself'} ({len(c.shadow if c.state is None else c.state)} tensors"
              f"{', averages' if c.averaged else ''})" for c in found[:3]]
    return f"; state dicts at {', '.join(places)}{', ...' if len(found) > 3 else ''}"


def _native(source, choices, device):
    content, file = source.content, source.file
    if not FAMILIES["native"].recognise(source):
        raise FmdiagError(f"{file} is no native checkpoint ({outline(content)}): leave --family native out")
    known = {f.name for f in fields(Choices)} - {"family", "weights", "trust_code", "folder", "card", "data",
                                                 "coupling"}
    given = [name for name in sorted(known) if getattr(choices, name) not in (None, {})]
    if given:
        spelt = (f"--{given[0].replace('_', '-')}" if given[0] in OPTIONS else f"{given[0]} in the model card")
        raise FmdiagError(f"{file} is a native checkpoint and says itself what its network is: leave out {spelt}")
    return FAMILIES["native"].load(content, file, weights=choices.weights, device=device)
