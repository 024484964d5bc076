"""Choices of the user about a checkpoint: options first, then a model card, then what the file holds.

A model card (TOML, or YAML where PyYAML is installed) says what a file cannot:

    family = "module"                      # or one fmdiag knows, e.g. "rectified_flow": then the time is its own
    factory = "my_package.models:build"    # or "models.py:build", relative to the card; its neighbours can be imported
    weights_key = "ema"                    # dotted: "0.model", "callbacks.EMA*.state"; default: averages, else raw
    prefix = "net."                        # of the names of the tensors; default: the one after which all fit
    n_classes = 10                         # of a class that takes labels; null_label is the one for none
    call = "x, t"                          # default: by the signature; "t, x, y" and "x, t, labels=y" pass labels, "x,
                                           # t, r" a second time, that of a field again t
    kind = "sampler"                       # of one or a few steps: call "x", "x, t" (consistency), "x, t, r" (flow map)
    n_steps = 4                            # of a sampler: the most that it takes; default 1
    condition = "embeddings.safetensors"   # fixed tensors of one sample, each an argument of its name or as call says
    output = "sample"                      # attribute or index of what is returned, where it is not the tensor itself
    [arguments]
    width = 64
    [convention]
    parameterisation = "velocity"          # -velocity, epsilon, x1, v, score
    time_direction = "noise-to-data"
    time_scale = 1.0
    path = "linear"                        # cosine, vp, ...; ddpm-linear, ddpm-cosine, scaled-linear, ve, edm, edm-vp
    steps = 1000                           # of a network of whole steps: t = k / steps, or 1 - (k + 1) / steps backward
    step_offset = 1                        # instead of 0, or 1 backward
    [data]
    shape = [3, 32, 32]
    hflip = true
    augmentation = "random crops"          # other than flips; "none" where the file says otherwise
"""

import functools
import reprlib
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from fmdiag.checkpoints.conditions import read_conditions
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.files.regular import read_text

CONVENTION = ("parameterisation", "time_direction", "time_scale", "path", "alphas_cumprod", "sigma_min", "sigma_max",
              "steps", "step_offset")
TOP = ("family", "factory", "weights", "weights_key", "prefix", "call", "kind", "n_steps", "condition", "output",
       "class_label", "guidance", "coupling", "heads", "n_classes", "null_label", "arguments", "convention", "data")
DATA = ("shape", "range", "hflip", "latents", "augmentation")


@dataclass(frozen=True)
class Choices:
    """Everything that may be decided about a checkpoint; None where nothing was."""

    family: str | None = None
    weights: str | None = None
    weights_key: str | None = None
    prefix: str | None = None
    parameterisation: str | None = None
    time_direction: str | None = None
    time_scale: float | None = None
    path: str | dict | None = None
    class_label: int | None = None
    guidance: float | None = None
    coupling: str | None = None
    heads: int | None = None
    trust_code: bool = False
    factory: str | None = None
    call: str | None = None
    kind: str | None = None
    n_steps: int | None = None
    condition: str | Path | None = None
    output: str | None = None
    n_classes: int | None = None
    null_label: int | None = None
    arguments: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    convention: dict = field(default_factory=dict)
    folder: Path = Path(".")
    card: Path | None = None

    def __post_init__(self):
        """Refuse values that no checkpoint has."""
        if self.weights is not None:
            check_choice("weights", self.weights, ("ema", "raw"))
        if self.kind is not None:
            check_choice("kind", self.kind, ("field", "sampler"))
        if self.n_steps is not None and self.kind != "sampler":
            raise FmdiagError("n_steps in the model card belongs to kind = \"sampler\": leave it out")
        if self.coupling is not None:
            check_choice("coupling", self.coupling, ("independent", "ot"))

    @property
    def ema(self):
        """Whether averaged weights are wanted, as they are by default."""
        return self.weights != "raw"

    @functools.cached_property
    def conditions(self):
        """Fixed tensors that the network is given, by name."""
        return {} if self.condition is None else read_conditions(self.condition)

    def with_card(self, file):
        """Return these choices with what the card `file` adds where nothing was given."""
        card = read_card(file)
        convention = card.pop("convention", {})
        known = {f.name for f in fields(self)}
        if isinstance(card.get("condition"), str):
            card["condition"] = Path(file).resolve().parent / Path(card["condition"]).expanduser()
        merged = {**card, **{k: v for k, v in convention.items() if k in known}, "convention": convention,
                  "folder": Path(file).resolve().parent, "card": Path(file) if self.factory is None else None}
        return replace(self, **{name: value for name, value in merged.items()
                                if getattr(self, name) in (None, {}, Path("."))})


def read_card(file):
    """Return the content of a model card.

    Raises
    ------
    FmdiagError
        If it cannot be read or has a key that no card has.
    """
    file = Path(file)
    try:
        text = read_text(file, "model card")
        card = _yaml(text) if file.suffix in (".yaml", ".yml") else tomllib.loads(text)
    except FmdiagError:
        raise
    except UnicodeDecodeError as error:
        raise FmdiagError(f"model card {file} cannot be read ({error})") from error
    except (ValueError, RecursionError) as error:
        raise FmdiagError(f"model card {file}: {error}") from error
    if not isinstance(card, dict):
        raise FmdiagError(f"model card {file} holds no keys; see `fmdiag checkpoint FILE --write-card`")
    for part, accepted in ((card, TOP), (card.get("convention", {}), CONVENTION), (card.get("data", {}), DATA)):
        for key in part if isinstance(part, dict) else ():
            check_choice(f"key in model card {file}", key, accepted)
            if not _fits(key, part[key]):
                raise FmdiagError(f"model card {file}: {key} = {reprlib.repr(part[key])} is not {KINDS[key][0]}")
        if not isinstance(part, dict):
            raise FmdiagError(f"model card {file}: {reprlib.repr(part)} stands where keys were expected")
    return card


def _fits(key, value):
    """Return whether a card's value is of the key's kind."""
    if key not in KINDS:
        return True
    fits = KINDS[key][1]
    return value is None or fits(value)


def _text(value):
    return isinstance(value, str)


def _whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31


def _number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _positive(value):
    return _number(value) and value > 0


def _list_of(fits, most):
    return lambda value: isinstance(value, list) and 0 < len(value) <= most and all(map(fits, value))


def _table(value):
    return isinstance(value, dict)


def _truth(value):
    return isinstance(value, bool)


KINDS = {
    **dict.fromkeys(("family", "factory", "weights", "weights_key", "prefix", "call", "kind", "coupling", "condition",
                     "parameterisation", "time_direction", "augmentation"), ("text", _text)),
    **dict.fromkeys(("class_label", "heads", "n_classes", "null_label"), ("a whole number", _whole)),
    "step_offset": ("a whole number", lambda value: _whole(value) and abs(value) <= 10),
    **dict.fromkeys(("time_scale", "sigma_min", "sigma_max"), ("a number above 0", _positive)),
    **dict.fromkeys(("arguments", "convention", "data"), ("a table of keys", _table)),
    **dict.fromkeys(("hflip", "latents"), ("true or false", _truth)),
    "n_steps": ("a whole number from 1 to 1000", lambda value: _whole(value) and 1 <= value <= 1000),
    "steps": ("a whole number above 0", lambda value: _whole(value) and value > 0),
    "guidance": ("a number", _number), "path": ("a name or a table", lambda value: _text(value) or _table(value)),
    "output": ("text or a whole number", lambda value: _text(value) or _whole(value)),
    "alphas_cumprod": ("a list of numbers in (0, 1]",
                       _list_of(lambda value: _positive(value) and value <= 1, 10**6)),
    "shape": ("a list of whole numbers", _list_of(lambda value: _whole(value) and value > 0, 8)),
}


def _yaml(text):
    try:
        import yaml
    except ImportError as error:
        raise ValueError("reading YAML needs the package PyYAML; install it or write the card as TOML") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
